/// The cogs of this program, one line each; nothing registers itself.
#include "cogs/chest/chest.h"
#include "cogs/cog.h"

namespace rouage::cogs {

const std::vector<Cog>& all_cogs() {
  static const std::vector<Cog> kCogs{chest::description()};
  return kCogs;
}

const Cog* find_cog(const std::string& name) {
  for (const Cog& cog : all_cogs())
    if (cog.name == name) return &cog;
  return nullptr;
}

}  // namespace rouage::cogs
