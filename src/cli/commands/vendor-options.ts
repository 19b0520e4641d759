import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TcbChannel } from '../../attestation/collateral/index.ts';
import type { SnpLine } from '../../attestation/index.ts';
import type { VendorUrls } from '../compose/collateral-service.ts';

/** Where collateral that was fetched is kept unless another file is named. */
export const DEFAULT_BUNDLE = '.chrysalis/collateral-bundle.json';

export type VendorFlags = VendorUrls &
  Readonly<{ bundle: string; update: TcbChannel; line?: SnpLine; trustAnchor?: readonly string[] }>;

function digestHex(text: string, previous: readonly string[] = []): readonly string[] {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw new InvalidArgumentError('a trust anchor is the SHA-256 of its key (SPKI), 64 hexadecimal digits.');
  }
  return [...previous, text];
}

function channel(text: string): TcbChannel {
  if (!/^(?:standard|early|[1-9]\d{0,8})$/.test(text)) {
    throw new InvalidArgumentError('standard, early, or an evaluation data number.');
  }
  return text as TcbChannel;
}

export function addTrustAnchor(command: Command): Command {
  const words = 'trust this root instead of the pinned ones; may be repeated';
  return command.option('--trust-anchor <sha256>', words, digestHex);
}

/** Options of every command that asks vendors for collateral. */
export function addVendorOptions(command: Command): Command {
  return addTrustAnchor(command)
    .option('--bundle <file>', 'where what was fetched is kept', DEFAULT_BUNDLE)
    .option('--collateral-url <url>', 'Intel’s service, or a PCCS of your own (default: Intel’s)')
    .option('--kds-url <url>', 'AMD’s key distribution service, or a mirror of it (default: AMD’s)')
    .option('--rim-url <url>', 'NVIDIA’s manifest service, or a mirror of it (default: NVIDIA’s)')
    .option('--ocsp-url <url>', 'NVIDIA’s OCSP responder, or a mirror of it (default: NVIDIA’s)')
    .option('--update <set>', 'Intel’s set of TCB levels: standard, early, or a number', channel, 'standard')
    .addOption(
      new Option('--line <line>', 'AMD’s product line, for reports that don’t say it').choices([
        'Milan',
        'Genoa',
        'Turin',
      ]),
    );
}
