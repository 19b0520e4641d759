import type { Emulator } from '../../src/chain/dev/emulator.ts';
import {
  type ChannelConfig,
  type ChannelState,
  channelAddress,
  channelStateInit,
  parseChannelData,
} from '../../src/chain/index.ts';
import { ContractBench } from './contract-bench.ts';

export class ChannelBench extends ContractBench<ChannelState> {
  readonly config: ChannelConfig;

  constructor(emulator: Emulator, config: ChannelConfig, address = channelAddress(config)) {
    super(emulator, channelStateInit(config), (data) => parseChannelData(data, config), address);
    this.config = config;
  }
}
