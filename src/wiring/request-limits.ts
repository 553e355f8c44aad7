import type { Config } from '../config.ts';
import { Admission, type AdmissionCounts } from '../http/admission.ts';
import { SharedAdmission } from '../http/shared-admission.ts';
import { SharedSubjects } from '../http/shared-subjects.ts';
import { SubjectLimits } from '../http/subject-limits.ts';
import { SharedTable } from '../system/shared-table.ts';
import type { LimitMemory, Thread } from '../threads/thread.ts';
import { admissionLimits } from './basics.ts';

/** @param maxConnections requests that may be in progress, each of another client and subject */
export function allocateLimitMemory({ maxConnections }: Config): LimitMemory {
  return {
    total: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    clients: SharedTable.allocate(maxConnections),
    subjects: SharedTable.allocate(maxConnections),
  };
}

export interface RequestLimitPorts {
  readonly config: Config;
  readonly thread: Thread;
  /** How many open files a request may need, its connection included. */
  readonly descriptorsPerRequest: number;
  /** Requests in progress on this thread. */
  readonly pending: () => number;
}

/** Limits on the requests in progress on all threads of this process. */
export interface RequestLimits {
  readonly admission: Admission;
  /** undefined if no subject is limited. */
  readonly subjects: SubjectLimits | undefined;
}

export function openRequestLimits(ports: RequestLimitPorts): RequestLimits {
  const { config, descriptorsPerRequest } = ports;
  return {
    admission: new Admission(admissionLimits(config, descriptorsPerRequest), admissionCounts(ports)),
    subjects: openSubjectLimits(ports),
  };
}

function admissionCounts({ thread, pending }: RequestLimitPorts): AdmissionCounts | undefined {
  if (thread.kind === 'alone') return undefined;
  const { total, clients } = thread.memory.limits;
  return new SharedAdmission({ total: new Int32Array(total), clients: new SharedTable(clients), pending });
}

function openSubjectLimits({ config, thread }: RequestLimitPorts): SubjectLimits | undefined {
  const { maxRequestsPerSubject: requests, maxUploadsPerSubject: uploads, maxUploadBytesPerSubject: bytes } = config;
  if (requests + uploads + bytes === 0) return undefined;
  const counts =
    thread.kind === 'alone' ? undefined : new SharedSubjects(new SharedTable(thread.memory.limits.subjects));
  return new SubjectLimits({ requests, uploads, bytes }, counts);
}
