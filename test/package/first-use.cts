// The same from CommonJS, by Node's require() of ES modules.
import attention = require('prompt-attention');

const info: attention.EngineInfo = attention.engineInfo();
console.log(JSON.stringify({ fingerprint: info.fingerprint }));
