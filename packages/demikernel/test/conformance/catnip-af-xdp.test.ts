// The conformance suite on Catnip with the driver net_af_xdp. Runs alone.

import { catnipOnVeth } from './catnip.ts';

catnipOnVeth('af-xdp');
