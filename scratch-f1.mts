import { simulate } from './lib/index.js';
for (const [T,n,d] of [[4,8,12],[4,20,12],[4,500,1000],[4,260,200],[4,300,600],[8,300,600]] as const) {
  const t0=performance.now();
  const r = await simulate({kind:'known-prompt', mixture:{tokens:T,dimension:d,relevantTokens:2,contextNorm:3,signalNorm:1}, examples:n, inverseTemperature:2, head:{kind:'least-squares'}, solver:'direct'} as any,{trials:8,seed:1,threads:1});
  const e=[...r.metrics.error], h=[...(r.metrics.headNorm as any)];
  const m=(x:number[])=>{const a=x.reduce((p,q)=>p+q)/x.length; return [a, Math.sqrt(x.reduce((p,q)=>p+(q-a)**2,0)/x.length/(x.length-1))]};
  console.log(T,n,d,[...r.status].join(''), m(e), m(h), (performance.now()-t0)/8);
}
