#include "infer/checkpoint/trainers.h"

#include <array>

namespace rouage::infer::checkpoint {
namespace {

/// Parts of trainer names, longer ones before those they begin with.
constexpr std::array<std::string_view, 28> kParts{"NoMirroring",
                                                  "onlyMirror01",
                                                  "DASegOrd0",
                                                  "DAOrd0",
                                                  "DA5ord0",
                                                  "DA5Segord0",
                                                  "DA5",
                                                  "NoDA",
                                                  "NoDeepSupervision",
                                                  "DiceCELoss_noSmooth",
                                                  "DiceTopK10Loss",
                                                  "DiceLoss",
                                                  "CELoss",
                                                  "Topk10LossLS01",
                                                  "Topk10Loss",
                                                  "CosAnneal",
                                                  "PolyLR",
                                                  "VanillaAdam1en3",
                                                  "VanillaAdam3en4",
                                                  "VanillaAdam",
                                                  "Adam1en3",
                                                  "Adam3en4",
                                                  "Adam",
                                                  "Adan",
                                                  "warmup",
                                                  "probabilisticOversampling",
                                                  "033",
                                                  "010"};

bool take_part(std::string_view& rest) {
  for (const std::string_view part : kParts)
    if (rest.starts_with(part)) {
      rest.remove_prefix(part.size());
      return true;
    }
  return false;
}

/// "250epochs", "1epoch", "1500ep".
bool take_length(std::string_view& rest) {
  const auto digits = rest.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos) return false;
  for (const std::string_view unit : {std::string_view("epochs"), std::string_view("epoch"), std::string_view("ep")})
    if (rest.substr(digits).starts_with(unit)) {
      rest.remove_prefix(digits + unit.size());
      return true;
    }
  return false;
}

}  // namespace

bool keeps_planned_net(std::string_view trainer) {
  constexpr std::string_view kStart = "nnUNetTrainer";
  if (!trainer.starts_with(kStart)) return false;
  trainer.remove_prefix(kStart.size());
  while (!trainer.empty()) {
    if (trainer.front() == '_') trainer.remove_prefix(1);
    if (!take_length(trainer) && !take_part(trainer)) return false;
  }
  return true;
}

}  // namespace rouage::infer::checkpoint
