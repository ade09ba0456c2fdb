/**
 * A loss of a score f and a label y: `'square'` is ½(y − f)² and `'logistic'` log(1 + e^(−yf)), both for y = ±1;
 * `'cross-entropy'` is log Σ_c e^(f_c) − f_y for K ≥ 2 scores and y = 0 … K−1. The loss of a sample is the mean.
 */
export type ModelLoss = 'square' | 'logistic' | 'cross-entropy';
