/// The gateway's side of one association: answers what its process asks, and believes nothing that it says.
#pragma once
#include <cstdint>

#include "receive/dimse_channel.h"

namespace rouage::receive {

/// Until the process closes its end (or is to be ended: shut `channel` down). Never throws.
void hold_conversation(Descriptor channel, std::uint64_t association, const DimseFrontOptions& options,
                       InstanceSink& sink, Answers& answers);

}  // namespace rouage::receive
