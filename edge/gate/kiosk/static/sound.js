// The answers as sounds, made by oscillators: rising and bright for an open door, low and falling for a closed one,
// three even knocks for "wait". A browser lets a page sound after a touch, or always by its autoplay switch.

const NOTES = {
  open: [[784, 0, 0.14, "sine"], [1175, 0.15, 0.3, "sine"]],
  refuse: [[233, 0, 0.25, "square"], [165, 0.28, 0.45, "square"]],
  staff: [[523, 0, 0.12, "triangle"], [523, 0.2, 0.12, "triangle"], [523, 0.4, 0.12, "triangle"]],
  key: [[1000, 0, 0.03, "sine"]],
};
const LOUDNESS = { sine: 0.35, triangle: 0.4, square: 0.14 };

let context = null;

export function wake() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume().catch(() => {});
}

export function play(name) {
  wake();
  const now = context.currentTime;
  for (const [hertz, after, lasts, type] of NOTES[name]) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.type = type;
    tone.frequency.value = hertz;
    gain.gain.setValueAtTime(0.0001, now + after);
    gain.gain.exponentialRampToValueAtTime(LOUDNESS[type], now + after + 0.012);
    gain.gain.exponentialRampToValueAtTime(0.0001, now + after + lasts);
    tone.connect(gain).connect(context.destination);
    tone.start(now + after);
    tone.stop(now + after + lasts + 0.02);
  }
}
