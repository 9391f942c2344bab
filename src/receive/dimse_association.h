/// The process of one association: from the accepted connection to its end.
#pragma once
#include "receive/dimse_channel.h"

namespace rouage::receive {

/// Serves the connection, asking the gateway over `channel`; leaves at once when the gateway is gone. Called in a
/// process of its own.
void run_association(int connection, Descriptor channel, const DimseFrontOptions& options);

}  // namespace rouage::receive
