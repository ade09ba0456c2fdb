import { simulate } from './lib/index.js';
const e={"kind":"known-prompt","mixture":{"tokens":34,"dimension":892,"relevantTokens":9,"contextNorm":1.9341934784009092,"signalNorm":1.2479676992390154},"examples":219,"inverseTemperature":2.5207915469438973,"head":{"kind":"least-squares","ridge":0}} as any;
const r=await simulate(e,{trials:4,seed:1}); console.log(r.metrics.solverIterations, r.metrics.solverResidual, r.solverUsed, r.solverFallback, r.solver);
const f=await simulate({...e,inverseTemperature:.3},{trials:4,seed:1}); console.log(f.metrics.solverIterations, f.metrics.solverResidual, f.solverUsed);
