import type { IncomingMessage } from 'node:http';
import { sha256 } from '#crypto';
import { createSimulatedNvidia, openSimulatedNvidia, SIMULATED_H100 } from '../../../src/attestation/simulate/index.ts';
import { type Bytes, toBase64, toHex } from '../../../src/core/index.ts';
import { answerWith, type VendorServer } from './vendor-server.ts';

export const nvidia = openSimulatedNvidia(createSimulatedNvidia((length) => new Uint8Array(length).fill(6)));
export const gpu = nvidia.device('gpu0', SIMULATED_H100);
export const NONCE = new Uint8Array(32).fill(9);
/** What NVIDIA's collector writes of one GPU. */
export const collected = (device = gpu): string =>
  JSON.stringify({
    evidences: [
      {
        arch: 'HOPPER',
        nonce: toHex(NONCE),
        evidence: toBase64(new TextEncoder().encode(toHex(device.report(NONCE, new Uint8Array(32).fill(1))))),
        certificate: toBase64(new TextEncoder().encode(device.chain.map(pemOf).join(''))),
      },
    ],
  });
const pemOf = (der: Bytes) =>
  `-----BEGIN CERTIFICATE-----\n${(toBase64(der).match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;

export const manifests = nvidia.manifests(SIMULATED_H100);
export const rimPath = (id: string) => `/rim/v1/rim/${id}`;
export const rimAnswer = (id: string, manifest: Uint8Array, change: object = {}): string =>
  JSON.stringify({ id, rim: toBase64(manifest), sha256: toHex(sha256(manifest)), rim_format: 'TCG', ...change });

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('hex');
}

/** A manifest service and a responder that have all of one GPU's. @param now when the answers are made */
export function serveNvidia(server: VendorServer, now: number): void {
  for (const { id, manifest } of manifests) server.route(rimPath(id), answerWith(rimAnswer(id, manifest)));
  const answers = nvidia.answersOf(gpu, now);
  server.route('/ocsp', async (response, request) => {
    const question = await bodyOf(request);
    // The serial number's INTEGER ends the question's certificate id.
    const found = answers.find(({ serial }) => question.includes(serial));
    if (found === undefined) response.writeHead(404).end();
    else response.writeHead(200).end(found.response);
  });
}
