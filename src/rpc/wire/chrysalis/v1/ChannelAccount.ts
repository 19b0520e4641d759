// Original file: proto/chrysalis/v1/payments.proto


export interface ChannelAccount {
  'channel'?: (string);
  'state'?: (string);
  'deposited'?: (string);
  'claimed'?: (string);
  'vouchered'?: (string);
  'receipted'?: (string);
  'receipts'?: (number);
  'voucheredReceipts'?: (number);
}

export interface ChannelAccount__Output {
  'channel': (string);
  'state': (string);
  'deposited': (string);
  'claimed': (string);
  'vouchered': (string);
  'receipted': (string);
  'receipts': (number);
  'voucheredReceipts': (number);
}
