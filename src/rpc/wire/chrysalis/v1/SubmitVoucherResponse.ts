// Original file: proto/chrysalis/v1/payments.proto


export interface SubmitVoucherResponse {
  'cumulative'?: (string);
}

export interface SubmitVoucherResponse__Output {
  'cumulative': (string);
}
