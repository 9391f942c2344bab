#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dcuid.h"
#include "dimse/dimse.h"

namespace rouage::dimse {

std::vector<std::string> storage_sop_classes() {
  std::vector<std::string> classes;
  for (int i = 0; i < numberOfDcmAllStorageSOPClassUIDs; ++i) classes.emplace_back(dcmAllStorageSOPClassUIDs[i]);
  return classes;
}

}  // namespace rouage::dimse
