/**
 * Builds the auditor's console into one HTML file that asks for nothing: `node web/build.ts [FILE]`, by default
 * `web/dist/auditor.html`.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The page; its Content-Security-Policy names the one script that may run in it. */
export async function buildConsole(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2023',
      lib: { entry: at('src/main.ts'), formats: ['iife'], name: 'console_' },
    },
  });
  const [first] = Array.isArray(built) ? built : [built];
  if (first === undefined || !('output' in first)) throw new Error('nothing was built');
  // The only text that could end the script element early; in a string it means the same when escaped.
  const script = first.output[0].code.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const style = readFileSync(at('src/style.css'), 'utf8');
  const allowed = createHash('sha256').update(script).digest('base64');
  const rules = `default-src 'none'; script-src 'sha256-${allowed}'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'`;
  return readFileSync(at('index.html'), 'utf8')
    .replace('<!--rules-->', `<meta http-equiv="content-security-policy" content="${rules}">`)
    .replace('<!--style-->', () => `<style>\n${style}</style>`)
    .replace('<!--script-->', () => `<script>${script}</script>`);
}

if (import.meta.main) {
  const file = process.argv[2] ?? at('dist/auditor.html');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await buildConsole());
  console.log(file);
}
