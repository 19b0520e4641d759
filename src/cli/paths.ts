import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);

function inRepository(path: string): string {
  return fileURLToPath(new URL(path, root));
}

/** What ships with the package and is found from the source, wherever the command is called. */
export const MAIN = inRepository('src/cli/main.ts');
export const POLICIES = inRepository('attestation-policies');
export const DEVELOPMENT_POLICY = inRepository('attestation-policies/development-simulated.json');
/** The auditor's console: as built for release, and what builds it. */
export const CONSOLE_PAGE = inRepository('web/dist/auditor.html');
export const CONSOLE_BUILD = inRepository('web/build.ts');
export const MODELS = inRepository('enclave-images/models');
/** The model that a first run serves. */
export const DEFAULT_MODEL = 'chrysalis-tales-3m';
/** Of the package: what an image is made from. */
export const ROOT = inRepository('');
export const WORKER_IMAGE = inRepository('enclave-images/worker');
