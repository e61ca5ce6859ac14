"""YuNet, a face detector of opencv-zoo."""
