// The conformance suite on Catnip with the driver net_virtio: two network cards of the guest, through vfio.

import { catnipOnVirtio } from './catnip.ts';

catnipOnVirtio();
