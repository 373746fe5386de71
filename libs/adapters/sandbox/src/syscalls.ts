/** Numbers of the system calls that a run may not make, or only in part, by architecture. */

export type Arch = 'x64' | 'arm64';

/** What `seccomp_data.arch` holds (linux/audit.h). */
export const auditArch: Readonly<Record<Arch, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/**
 * The last call known to this list (Linux 6.12, `mseal`). What comes later is answered as a kernel without it would,
 * so that a new kernel opens no new door.
 */
export const lastKnownCall = 462;

type Numbers = readonly [x64: number | undefined, arm64: number | undefined];

/** Refused whatever the arguments: they change the machine, reach other processes, or have been ways out before. */
const refused: Readonly<Record<string, Numbers>> = {
  // mounts and roots
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  open_tree: [428, 428],
  move_mount: [429, 429],
  mount_setattr: [442, 442],
  statmount: [457, 457],
  listmount: [458, 458],
  // namespaces
  unshare: [272, 97],
  setns: [308, 268],
  // other processes
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  kcmp: [312, 272],
  pidfd_getfd: [438, 438],
  // keys are not namespaced
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
  // large and young parts of the kernel
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  fanotify_init: [300, 262],
  fanotify_mark: [301, 263],
  memfd_secret: [447, 447],
  // files by handle, past every path
  open_by_handle_at: [304, 265],
  name_to_handle_at: [303, 264],
  // memory of other processes and nodes
  move_pages: [279, 239],
  migrate_pages: [256, 238],
  mbind: [237, 235],
  // the machine itself
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  adjtimex: [159, 171],
  clock_adjtime: [305, 266],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  syslog: [103, 116],
  vhangup: [153, 58],
  lookup_dcookie: [212, 18],
  nfsservctl: [180, 42],
  iopl: [172, undefined],
  ioperm: [173, undefined],
  modify_ldt: [154, undefined],
  create_module: [174, undefined],
  get_kernel_syms: [177, undefined],
  query_module: [178, undefined],
  uselib: [134, undefined],
  ustat: [136, undefined],
  sysfs: [139, undefined],
  _sysctl: [156, undefined],
};

/** Memory that belongs to no process: nobody sees it grow where no cgroup counts it. */
const uncountedMemory: Readonly<Record<string, Numbers>> = {
  memfd_create: [319, 279],
  shmget: [29, 194],
  msgget: [68, 186],
};

/** Judged by their arguments. */
const judged = {
  clone: [56, 220],
  clone3: [435, 435],
  socket: [41, 198],
  socketpair: [53, 199],
  personality: [135, 92],
  ioctl: [16, 29],
} as const satisfies Readonly<Record<string, Numbers>>;

export type JudgedCall = keyof typeof judged;

const column = (arch: Arch): 0 | 1 => (arch === 'x64' ? 0 : 1);

/** `memoryCounted`: a cgroup counts all memory of a run. */
export function refusedCalls(arch: Arch, memoryCounted: boolean): ReadonlyMap<string, number> {
  const calls = memoryCounted ? refused : { ...refused, ...uncountedMemory };
  const numbers = new Map<string, number>();
  for (const [name, row] of Object.entries(calls)) {
    const number = row[column(arch)];
    if (number !== undefined) numbers.set(name, number);
  }
  return numbers;
}

export function judgedCall(arch: Arch, name: JudgedCall): number {
  return judged[name][column(arch)];
}

/** Undefined where there is no table for this processor. */
export function archOf(nodeArch: string): Arch | undefined {
  return nodeArch === 'x64' || nodeArch === 'arm64' ? nodeArch : undefined;
}
