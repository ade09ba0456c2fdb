import { worthwhileIterations, resolveSolver } from './lib/solver.js';
import { parseExperiment } from './lib/experiment.js';
const e={"kind":"known-prompt","mixture":{"tokens":34,"dimension":892,"relevantTokens":9,"contextNorm":1.9341934784009092,"signalNorm":1.2479676992390154},"examples":219,"inverseTemperature":2.5207915469438973,"head":{"kind":"least-squares","ridge":0}} as any;
const r=parseExperiment(e,'e') as any; console.log(r.solver, worthwhileIterations(r), resolveSolver(r,'projected'));
