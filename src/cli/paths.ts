import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);

function inRepository(path: string): string {
  return fileURLToPath(new URL(path, root));
}

/** What ships with the package and is found from the source, wherever the command is called. */
export const MAIN = inRepository('src/cli/main.ts');
/** @param id as in the policy itself */
export function shippedPolicy(id: string): string {
  return inRepository(`attestation-policies/${id}.json`);
}
export const DEVELOPMENT_POLICY = shippedPolicy('development-simulated');
export const MODELS = inRepository('enclave-images/models');
/** The model that a first run serves. */
export const DEFAULT_MODEL = 'chrysalis-tales-3m';
