import { type Binding, bindLines } from './gpus.ts';
import { qemuArguments } from './qemu.ts';
import type { GuestPlaces, GuestShape } from './shape.ts';

/** A word of a command line in a unit (systemd.service, "Command lines"): no specifier, no variable, no escape is read. */
export function unitWord(word: string): string {
  const quoted = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return `"${quoted}"`;
}

const TEE_NAME = { tdx: 'TDX', 'sev-snp': 'SEV-SNP' } as const;

/** The unit that keeps a worker's guest running, from boot to boot. */
export function unitText(shape: GuestShape, places: GuestPlaces, bindings: readonly Binding[]): string {
  const words = [shape.qemu, ...qemuArguments(shape, places)];
  const bind = bindings.length === 0 ? [] : ['modprobe vfio-pci', ...bindLines(bindings)];
  const lines = [
    '[Unit]',
    `Description=Chrysalis worker ${shape.name} (${TEE_NAME[shape.tee]})`,
    'Wants=network-online.target',
    `After=network-online.target${shape.tee === 'tdx' ? ' qgsd.service' : ''}`,
    'StartLimitIntervalSec=600',
    'StartLimitBurst=5',
    '',
    '[Service]',
    'Type=exec',
    ...bind.map((line) => `ExecStartPre=/bin/sh -c ${unitWord(line)}`),
    `ExecStart=${words.map(unitWord).join(' ')}`,
    'Restart=always',
    'RestartSec=15',
    // What runs in the guest ends by the router’s drain; the guest itself keeps nothing.
    'KillSignal=SIGTERM',
    'TimeoutStopSec=30',
    'LimitMEMLOCK=infinity',
    'LimitNOFILE=65536',
    'UMask=0077',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    'PrivateTmp=yes',
    `ReadWritePaths=${places.folder}`,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
  return `${lines.join('\n')}\n`;
}
