// The conformance suite on Catnip with the driver net_memif. Runs alone.

import { catnipOnMemif } from './catnip.ts';

catnipOnMemif();
