import { utf8 } from '../../core/index.ts';
import { type AdministrationLink, connectToAdministration } from '../../rpc/index.ts';
import { clientTls, type RouterDoorOptions } from '../compose/client-tls.ts';
import { readText, writeDurably } from '../compose/files.ts';
import { printable } from '../output.ts';
import { approvalsPath } from './documents.ts';

export type DeskOptions = RouterDoorOptions & Readonly<{ admin: string; json?: boolean }>;
type Proposal = Awaited<ReturnType<AdministrationLink['proposal']>>;

/** `chrysalis policy propose`: hands a router a policy with its author's signature. */
export async function propose(file: string, options: DeskOptions & { approvals?: string }): Promise<void> {
  const [text, approvals] = [readText(file), utf8(readText(options.approvals ?? approvalsPath(file)))];
  print(await atDesk(options, (desk) => desk.propose(text, approvals)), options);
}

/** `chrysalis policy approve`: hands a router the signature of somebody who approves what was proposed there. */
export async function approve(file: string, options: DeskOptions & { approvals?: string }): Promise<void> {
  const approvals = utf8(readText(options.approvals ?? approvalsPath(file)));
  print(await atDesk(options, (desk) => desk.approve(approvals)), options);
}

/** `chrysalis policy proposed`: what a router was proposed, written down where it can be read and signed. */
export async function proposed(options: DeskOptions & { out?: string }): Promise<void> {
  const proposal = await atDesk(options, (desk) => desk.proposal());
  if (options.out !== undefined) writeDurably(options.out, proposal.policy);
  print(proposal, options);
}

async function atDesk(options: DeskOptions, work: (desk: AdministrationLink) => Promise<Proposal>): Promise<Proposal> {
  const desk = connectToAdministration(options.admin, Date.now, clientTls(options));
  try {
    return await work(desk);
  } finally {
    desk.close();
  }
}

function print({ id, number, digest, missing }: Proposal, { json }: DeskOptions): void {
  if (json === true) {
    process.stdout.write(`${JSON.stringify({ id, number, digest, missing, handedOver: missing.length === 0 })}\n`);
    return;
  }
  const lines = missing.map((why) => `  not yet: ${why}`);
  if (missing.length === 0) lines.push('  all signed: it comes into force once the log has it');
  process.stdout.write(`${printable([`${id} #${number}, ${digest}`, ...lines].join('\n'))}\n`);
}
