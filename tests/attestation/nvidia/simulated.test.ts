import { describe, expect, test } from 'vitest';
import {
  NVIDIA_DEVICE_ROOT,
  NVIDIA_RIM_ROOT,
  type NvidiaSetItem,
  verifyNvidiaDevices,
} from '../../../src/attestation/index.ts';
import {
  SIMULATED_B200,
  SIMULATED_H100,
  SIMULATED_SWITCH,
  type SimulatedNvidiaDevice,
} from '../../../src/attestation/simulate/index.ts';
import {
  contextAt,
  endorsementsFor,
  evidenceOf,
  failuresOf,
  gpu,
  judge,
  manifestsOf,
  NONCE,
  NOW,
  ppcieMachine,
  vendor,
} from './scene.ts';

describe('a good device of a simulated vendor', () => {
  test.each([
    ['Hopper', SIMULATED_H100, {}],
    ['Hopper with NVDEC0 on', SIMULATED_H100, { nvdec0: 'enabled' }],
    ['Hopper with versioned opaque data', SIMULATED_H100, { versioned: true }],
    ['Blackwell', SIMULATED_B200, { mode: 'mpt' }],
    ['an NVSwitch', SIMULATED_SWITCH, {}],
  ] as const)('%s is verified in full', async (_, firmware, fields) => {
    const device = vendor.device('birch-0', firmware);
    const evidence = evidenceOf(device, fields);
    const verdict = await judge({ evidence, given: endorsementsFor(firmware, vendor.ocspOf(device, NOW)) });
    expect({ failures: failuresOf(verdict), verdict: verdict.verdict }).toEqual({ failures: {}, verdict: 'verified' });
    expect(Object.values(verdict.checks).every(({ outcome }) => outcome === 'passed')).toBe(true);
    expect(verdict.anchor).toMatchObject({ kind: 'simulated' });
  });

  test("is nobody to those who trust NVIDIA's own roots", async () => {
    const anchors = { device: [NVIDIA_DEVICE_ROOT], rim: [NVIDIA_RIM_ROOT] };
    const verdict = await judge({ context: { ...contextAt(), anchors } });
    expect(failuresOf(verdict)).toMatchObject({ deviceChainToPinnedRoot: 'EVIDENCE_CHAIN_INVALID' });
    const device = { ...anchors, device: [vendor.deviceAnchor] };
    expect(failuresOf(await judge({ context: { ...contextAt(), anchors: device } }))).toMatchObject({
      driverManifestSigned: 'ENDORSEMENT_CHAIN_INVALID',
      vbiosManifestSigned: 'ENDORSEMENT_CHAIN_INVALID',
    });
  });

  test('has the PDI of its certificate in its claims', async () => {
    const { chain } = await judge();
    expect(chain?.pdi).toBe(gpu.pdi);
  });
});

describe('a machine in protected PCIe mode', () => {
  const machine = ppcieMachine();
  type Fields = Parameters<SimulatedNvidiaDevice['report']>[2];
  const gpuItem = (device: SimulatedNvidiaDevice, fields: Fields = {}): NvidiaSetItem =>
    evidenceOf(device, { mode: 'ppcie', switchPdis: machine.switchPdis, ...fields });
  const switchItem = (device: SimulatedNvidiaDevice, fields: Fields = {}): NvidiaSetItem =>
    evidenceOf(device, { gpuPdis: machine.gpuPdis, ...fields });
  const gpus = machine.gpus.map((device) => gpuItem(device));
  const switches = machine.switches.map((device) => switchItem(device));
  const all = [...machine.gpus, ...machine.switches];
  const ocsp = all.flatMap((device) => vendor.ocspOf(device, NOW));
  const given = endorsementsFor(SIMULATED_H100, ocsp, [], manifestsOf(SIMULATED_H100, SIMULATED_SWITCH));
  const context = contextAt();
  const judgeSet = (items: readonly NvidiaSetItem[], expectDevices?: { gpus: number; switches: number }) =>
    verifyNvidiaDevices(items, given, context, { expectNonce: NONCE, expectDevices });
  const otherGpu = vendor.device('elsewhere-0', SIMULATED_H100);
  const otherSwitch = vendor.device('elsewhere-switch', SIMULATED_SWITCH);

  test('is verified: eight GPUs, four switches, each tied to the others by certificates', async () => {
    const { verdict, checks } = await judgeSet([...gpus, ...switches], { gpus: 8, switches: 4 });
    expect(verdict).toBe('verified');
    expect(Object.values(checks).every(({ outcome }) => outcome === 'passed')).toBe(true);
  });

  test('without its switches is not known', async () => {
    expect(await judgeSet(gpus)).toMatchObject({ verdict: 'unavailable', checks: { topology: { outcome: 'notRun' } } });
  });

  test.each<[string, string, () => NvidiaSetItem[]]>([
    ['a GPU twice', 'distinctDevices', () => [...gpus.slice(0, 7), gpus[0] as NvidiaSetItem, ...switches]],
    ['a switch twice', 'distinctDevices', () => [...gpus, ...switches.slice(0, 3), switches[0] as NvidiaSetItem]],
    ['seven GPUs', 'topology', () => [...gpus.slice(0, 7), ...switches]],
    ['three switches', 'topology', () => [...gpus, ...switches.slice(0, 3)]],
    ['a GPU that the switches do not list', 'topology', () => [...gpus.slice(0, 7), gpuItem(otherGpu), ...switches]],
    ['a switch that no GPU names', 'topology', () => [...gpus, ...switches.slice(0, 3), switchItem(otherSwitch)]],
    [
      'a switch that says another PDI than its certificate',
      'topology',
      () => [
        ...gpus,
        ...switches.slice(0, 3),
        switchItem(machine.switches[3] as SimulatedNvidiaDevice, { ownPdi: otherSwitch.pdi }),
      ],
    ],
    [
      'a GPU that names other switches',
      'topology',
      () => [
        ...gpus.slice(0, 7),
        gpuItem(machine.gpus[7] as SimulatedNvidiaDevice, {
          switchPdis: [...machine.switchPdis.slice(0, 3), otherSwitch.pdi],
        }),
        ...switches,
      ],
    ],
    [
      'PDIs of switches in the order of certificates',
      'topology',
      () => [
        ...machine.gpus.map((device) => gpuItem(device, { switchPdis: machine.switchPdis.map(reversedPdi) })),
        ...switches,
      ],
    ],
    [
      'one GPU in another mode',
      'oneMode',
      () => [...gpus.slice(0, 7), gpuItem(machine.gpus[7] as SimulatedNvidiaDevice, { mode: 'spt' }), ...switches],
    ],
    [
      'a GPU that contradicts itself about its mode',
      'oneMode',
      () => [
        ...gpus.slice(0, 7),
        gpuItem(machine.gpus[7] as SimulatedNvidiaDevice, { protectedPcie: false }),
        ...switches,
      ],
    ],
    [
      'one report of another nonce',
      'oneNonce',
      () => [
        ...gpus.slice(0, 7),
        evidenceOf(
          machine.gpus[7] as SimulatedNvidiaDevice,
          { mode: 'ppcie', switchPdis: machine.switchPdis },
          new Uint8Array(32),
        ),
        ...switches,
      ],
    ],
  ])('%s is refused by %s', async (_, check, items) => {
    expect(await judgeSet(items())).toMatchObject({ verdict: 'refused', checks: { [check]: { outcome: 'failed' } } });
  });

  test('switches beside GPUs in passthrough are refused', async () => {
    const plain = [evidenceOf(gpu), ...switches];
    expect(await judgeSet(plain)).toMatchObject({ checks: { topology: { outcome: 'failed' } } });
  });
});

function reversedPdi(pdi: string): string {
  return (pdi.match(/../g) ?? []).reverse().join('');
}
