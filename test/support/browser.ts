import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const kPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const kFlags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Whether tests that need Chromium can run: see hasPostgres. */
export function hasChromium(): boolean {
  if (kPaths.some((path) => existsSync(path))) return true;
  const message = 'Chromium is not installed (apt-get install chromium)';
  if (process.env.CI) throw new Error(message);
  console.warn(`${message}: its tests are skipped`);
  return false;
}

/** A headless browser. */
export function launchChromium(): Promise<Browser> {
  const executablePath = kPaths.find((path) => existsSync(path)) as string;
  // As root Chromium has no sandbox.
  return chromium.launch({ executablePath, args: kFlags, chromiumSandbox: process.getuid?.() !== 0 });
}
