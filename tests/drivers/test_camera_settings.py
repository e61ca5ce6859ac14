"""What a site file says of a camera: mistakes are named, and no secret is repeated."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.config import CameraSettings
from drivers.camera.place import Login, NoLogin, filled, read_login, with_login
from drivers.radiometric.config import RadiometricSettings
from runtime.config import ConfigError, validate


def camera(url: str, **more: object) -> CameraSettings:
    return validate("site.toml", {"protocol": "camera", "url": url, **more}, CameraSettings)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.21/video.mjpg",
        "https://camera.lan:8443/axis-cgi/mjpg/video.cgi?camera=1",
        "rtsp://10.0.0.21/Streaming/Channels/102",
        "rtsp://10.0.0.21:554/cam/realmonitor?channel=1&subtype=1",
        "rtsp://[fe80::1]:554/1",
    ],
)
def test_urls_as_makers_have_them(url: str) -> None:
    settings = camera(url)
    assert settings.place == url
    assert settings.is_rtsp == url.startswith("rtsp")
    assert settings.timeout == timedelta(seconds=5)


@pytest.mark.parametrize(
    "url", ["", "camera", "ftp://host/x", "http://", "http://:80/x", "http://host:99999/x", "/dev/video0"]
)
def test_other_places_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="url"):
        camera(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://admin:geheim@10.0.0.21/video.mjpg",
        "rtsp://admin:ge@heim@10.0.0.21/1",
        "rtsp://geheim@10.0.0.21/1",
        "http://10.0.0.21/v.cgi?user=admin&pwd=geheim",
        "http://10.0.0.21/v.cgi?Password=geheim&x=1",
        "ftp://admin:geheim@10.0.0.21/",
        "http://admin:geheim@10.0.0.21:99999/",
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    for protocol, model in (("camera", CameraSettings), ("radiometric", RadiometricSettings)):
        with pytest.raises(ConfigError, match="url") as caught:
            validate("site.toml", {"protocol": protocol, "url": url}, model)
        assert "geheim" not in str(caught.value)
        assert "heim@" not in str(caught.value)


def test_the_remedy_is_named() -> None:
    with pytest.raises(ConfigError, match="stand in the file `credentials_file`"):
        camera("http://admin:geheim@10.0.0.21/video.mjpg")
    with pytest.raises(ConfigError, match="needs `credentials_file`"):
        camera("http://10.0.0.21/v.cgi?user={user}&pwd={password}")


@given(st.text(min_size=8, alphabet=st.characters(exclude_characters="/?#@", exclude_categories=["Cs", "Cc", "Z"])))
def test_no_user_info_ever_shows(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        camera(f"http://admin:x{secret}x@10.0.0.21/v")
    assert f"x{secret}x" not in str(caught.value)


def test_a_radiometric_camera_speaks_http_only() -> None:
    with pytest.raises(ConfigError, match="write http://host/path"):
        validate("site.toml", {"protocol": "radiometric", "url": "rtsp://10.0.0.21/1"}, RadiometricSettings)
    with pytest.raises(ConfigError, match="at least the `period`"):
        validate(
            "site.toml",
            {"protocol": "radiometric", "url": "http://h/x", "period": "10s", "valid_for": "5s"},
            RadiometricSettings,
        )


class TestLoginFile:
    def test_two_lines(self, tmp_path: Path) -> None:
        file = tmp_path / "login"
        file.write_text("admin\n s3cret# \n", encoding="utf-8")
        login = read_login(str(file))
        assert login == Login(user="admin", password="s3cret#")
        assert "s3cret" not in f"{login!r} {login}"
        assert read_login(None) is None

    @pytest.mark.parametrize("content", [b"", b"admin\n", b"\nsecret\n", b"\xff\xfe\n\xff"])
    def test_anything_else_is_told_without_its_content(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "login"
        file.write_bytes(content)
        with pytest.raises(NoLogin) as caught:
            read_login(str(file))
        assert "secret" not in str(caught.value)
        assert "login" in str(caught.value)

    def test_a_login_is_put_where_it_belongs(self) -> None:
        login = Login(user="a b", password="p@ss:w/ord?&")
        assert with_login("rtsp://h:554/1?x=1", login) == "rtsp://a%20b:p%40ss%3Aw%2Ford%3F%26@h:554/1?x=1"
        url = "rtsp://h/user={user}_password={password}_channel=1"
        assert with_login(url, login) == "rtsp://h/user=a%20b_password=p%40ss%3Aw%2Ford%3F%26_channel=1"
        assert filled("http://h/x", login) == "http://h/x"
        assert with_login("rtsp://h/1", None) == "rtsp://h/1"
