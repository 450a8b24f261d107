// The conformance suite on Catpowder over AF_PACKET: both ends of a veth pair are ours. Runs alone.

import { catpowderConformance } from './catpowder.ts';

catpowderConformance('af-packet');
