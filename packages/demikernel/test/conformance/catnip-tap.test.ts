// The conformance suite on Catnip with the driver net_tap. Runs alone.

import { catnipOnTaps } from './catnip.ts';

catnipOnTaps();
