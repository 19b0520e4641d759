import { readIfThere } from '../compose/files.ts';
import { CONSOLE_BUILD, CONSOLE_PAGE } from '../paths.ts';

export type ConsolePage = Readonly<{ html: string; rules: string }>;
type Build = Readonly<{ buildConsole(): Promise<string> }>;

let building: Promise<ConsolePage | null> | null = null;

/**
 * The auditor's console: the one that was built for release, else built now (once), where what builds it is installed.
 * Null where it is not.
 */
export function consolePage(): Promise<ConsolePage | null> {
  building ??= make();
  return building;
}

async function make(): Promise<ConsolePage | null> {
  const released = readIfThere(CONSOLE_PAGE);
  if (released !== null) return withRules(released);
  try {
    const { buildConsole } = (await import(CONSOLE_BUILD)) as Build;
    return withRules(await buildConsole());
  } catch (thrown) {
    console.error(`the auditor's console cannot be built here: ${thrown instanceof Error ? thrown.message : ''}`);
    return null;
  }
}

/** The page says itself which script may run in it; the server says the same. */
function withRules(html: string): ConsolePage {
  const rules = /<meta http-equiv="content-security-policy" content="([^"]+)">/.exec(html)?.[1] ?? "default-src 'none'";
  return { html, rules };
}
