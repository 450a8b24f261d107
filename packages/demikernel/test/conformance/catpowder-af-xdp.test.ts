// The conformance suite on Catpowder over AF_XDP: both ends of a veth pair are ours. Runs alone.

import { catpowderConformance } from './catpowder.ts';

catpowderConformance('af-xdp');
