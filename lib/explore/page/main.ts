import { start } from './app.js';

start(document.getElementById('page') as HTMLElement);
