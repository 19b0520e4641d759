// Original file: proto/chrysalis/v1/worker.proto


export interface OpenCheck {
  'name'?: (string);
  'code'?: (string);
  'reason'?: (string);
}

export interface OpenCheck__Output {
  'name': (string);
  'code': (string);
  'reason': (string);
}
