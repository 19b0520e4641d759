// Original file: proto/chrysalis/v1/admin.proto


export interface QueueState {
  'modelName'?: (string);
  'priority'?: (number);
  'waiting'?: (number);
  'oldestMs'?: (number);
}

export interface QueueState__Output {
  'modelName': (string);
  'priority': (number);
  'waiting': (number);
  'oldestMs': (number);
}
