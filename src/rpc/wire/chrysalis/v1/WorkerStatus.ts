// Original file: proto/chrysalis/v1/worker.proto


export interface WorkerStatus {
  'running'?: (number);
  'idleStreams'?: (number);
}

export interface WorkerStatus__Output {
  'running': (number);
  'idleStreams': (number);
}
