// What the library OSes do not support, by name and with the reason: the one table that the suite goes by and that
// docs/conformance.md shows.

/** Every feature that some library OS may lack. What is not here, all of them do. */
export const FEATURES = {
  datagrams: 'Datagram sockets',
  'datagrams-64k': 'Datagrams larger than a frame, up to 65,507 bytes',
  fragments: 'A datagram that arrives in fragments',
  refused: 'A datagram to a closed port comes back as ECONNREFUSED on a connected queue',
  'vanished-peer': 'A peer that vanishes ends the connection with ETIMEDOUT within `userTimeoutUs`',
} as const;

export type Feature = keyof typeof FEATURES;

/** Rows of the table: a library OS, over a device where that matters. */
export const LIBRARY_OS_NAMES = [
  'simulator',
  'catnap',
  'catpowder-af-xdp',
  'catpowder-af-packet',
  'catmem',
  'catcollar',
  'catmint',
  'catnip-af-packet',
  'catnip-af-xdp',
  'catnip-tap',
  'catnip-memif',
  'catnip-virtio',
] as const;

export type LibraryOsName = (typeof LIBRARY_OS_NAMES)[number];

/** Why a library OS lacks a feature. */
export const UNSUPPORTED: Record<LibraryOsName, Partial<Record<Feature, string>>> = {
  simulator: {},
  catnap: {},
  'catpowder-af-xdp': {},
  'catpowder-af-packet': {},
  catmem: {
    datagrams: 'shared memory connects two processes: streams and messages',
    'datagrams-64k': 'shared memory connects two processes: streams and messages',
    fragments: 'shared memory connects two processes: streams and messages',
    refused: 'shared memory connects two processes: streams and messages',
    'vanished-peer': 'nothing lies between two processes of one machine: a peer is there, or has ended',
  },
  catcollar: {},
  catmint: {
    datagrams: 'reliable connections only: streams and messages',
    'datagrams-64k': 'reliable connections only: streams and messages',
    fragments: 'reliable connections only: streams and messages',
    refused: 'reliable connections only: streams and messages',
  },
  'catnip-af-packet': {
    fragments:
      'net_af_packet has the kernel put fragments together, and cuts what is longer than a frame of its ring',
  },
  'catnip-af-xdp': {},
  'catnip-tap': {},
  'catnip-memif': {},
  'catnip-virtio': {},
};

/** Why the suite cannot show a feature on a library OS that has it. */
export const NOT_SHOWN: Record<LibraryOsName, Partial<Record<Feature, string>>> = {
  simulator: {},
  catnap: { 'vanished-peer': 'the loopback interface loses nothing; the kernel’s TCP does it' },
  'catpowder-af-xdp': { 'vanished-peer': 'the same TCP as the simulator’s, where it is shown' },
  'catpowder-af-packet': { 'vanished-peer': 'the same TCP as the simulator’s, where it is shown' },
  catmem: {},
  catcollar: { 'vanished-peer': 'the loopback interface loses nothing; the kernel’s TCP does it' },
  catmint: {
    'vanished-peer': 'the device gives up by its own retry counters, whatever `userTimeoutUs` says',
  },
  'catnip-af-packet': { 'vanished-peer': 'the same TCP as the simulator’s, where it is shown' },
  'catnip-af-xdp': { 'vanished-peer': 'the same TCP as the simulator’s, where it is shown' },
  'catnip-tap': { 'vanished-peer': 'the same TCP as the simulator’s, where it is shown' },
  'catnip-memif': { 'vanished-peer': 'the same TCP as the simulator’s, where it is shown' },
  'catnip-virtio': { 'vanished-peer': 'the same TCP as the simulator’s, where it is shown' },
};

/** The table as docs/conformance.md shows it. */
export function supportTable(): string {
  const lines = [
    `| | ${LIBRARY_OS_NAMES.join(' | ')} |`,
    `| --- |${' --- |'.repeat(LIBRARY_OS_NAMES.length)}`,
    `| everything not named below |${' yes |'.repeat(LIBRARY_OS_NAMES.length)}`,
  ];
  const notes: string[] = [];
  for (const [feature, description] of Object.entries(FEATURES)) {
    const cells = LIBRARY_OS_NAMES.map(name => {
      const lacking = UNSUPPORTED[name][feature as Feature];
      const reason = lacking ?? NOT_SHOWN[name][feature as Feature];
      if (reason === undefined) return 'yes';
      const known = notes.indexOf(reason);
      const number = known >= 0 ? known + 1 : notes.push(reason);
      return lacking === undefined ? `yes, not shown (${number})` : `no (${number})`;
    });
    lines.push(`| ${description} | ${cells.join(' | ')} |`);
  }
  const numbered = notes.map((note, i) => `${i + 1}. ${note}`);
  return [...lines, ...(numbered.length > 0 ? ['', ...numbered] : [])].join('\n');
}
