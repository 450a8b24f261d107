// The conformance suite on Catnip with the driver net_af_packet. Runs alone.

import { catnipOnVeth } from './catnip.ts';

catnipOnVeth('af-packet');
