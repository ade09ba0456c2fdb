/** −ℓ′ at the proximal point of ω, scale c: what plain laws of two clusters are made of. */
export function pull(loss: 'least-squares' | 'logistic' | 'hinge', omega: number, c: number): number {
  if (loss === 'least-squares') return (1 - omega) / (1 + c);
  if (loss === 'hinge') return Math.min(1, Math.max(0, (1 - omega) / c));
  // e = 1/(1 + exp(ω + c e)), decreasing on the right: bisection, then Newton's method.
  let low = 0;
  let high = 1;
  for (let i = 0; i < 12; ++i) {
    const middle = (low + high) / 2;
    if (middle < 1 / (1 + Math.exp(omega + c * middle))) low = middle;
    else high = middle;
  }
  let e = (low + high) / 2;
  for (let i = 0; i < 6; ++i) {
    const sigmoid = 1 / (1 + Math.exp(omega + c * e));
    e -= (e - sigmoid) / (1 + c * sigmoid * (1 - sigmoid));
  }
  return e;
}
