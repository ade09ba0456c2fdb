import { simulate } from './lib/index.js';
const run = async (label:string, e:any, trials=8) => { const t0=performance.now();
  const r = await simulate(e,{trials,seed:1,threads:1});
  const ok=[...r.metrics.error].filter(Number.isFinite), h=[...(r.metrics.headNorm as any)].filter(Number.isFinite);
  const m=(x:number[])=>{const a=x.reduce((p,q)=>p+q,0)/x.length; return [a, Math.sqrt(x.reduce((p,q)=>p+(q-a)**2,0)/x.length/(x.length-1))].map(z=>z.toPrecision(4)).join('±')};
  console.log(label, r.solver, 'status',[...r.status].join(''),'used',[...r.solverUsed!].join(''),'fb',[...r.solverFallback!].join(''), m(ok), m(h), ((performance.now()-t0)/trials).toFixed(0)+'ms');
};
for (const solver of ['iterative','auto'])
for (const [T,n,d] of [[4,500,1000],[4,260,200],[4,300,600],[8,300,600]] as const)
  await run(`${T} ${n} ${d} ${solver}`, {kind:'known-prompt', mixture:{tokens:T,dimension:d,relevantTokens:2,contextNorm:3,signalNorm:1}, examples:n, inverseTemperature:2, head:{kind:'least-squares'}, solver},4);
for (const solver of ['auto','direct','iterative'])
for (const d of [1000,2000])
  await run(`readme d=${d} ${solver}`, {kind:'known-prompt', mixture:{tokens:32,dimension:d,relevantFraction:.25,contextNorm:2,signalNorm:.6}, examples:2*d, inverseTemperature:3, head:{kind:'least-squares'}, solver},d==1000?8:2);
