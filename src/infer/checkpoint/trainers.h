/// Which of nnU-Net's trainers build the net that the plans describe.
#pragma once
#include <string_view>

namespace rouage::infer::checkpoint {

/// True for nnUNetTrainer and its variants of length, augmentation, loss, optimiser, schedule and sampling, which leave
/// the net as the plans say. False for every other name: nnUNetTrainerBN builds batch norm, others another activation,
/// and so on.
bool keeps_planned_net(std::string_view trainer);

}  // namespace rouage::infer::checkpoint
