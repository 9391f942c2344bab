/// The gateway: all rooms connected, from a received object to a delivered result.
///
///   Gateway gateway(config);   // opens the store; nothing listens yet
///   gateway.start();           // workers, deliveries, then the doors
///   gateway.stop();            // the doors first, then what is at work, then the store
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "route/route.h"
#include "store/store.h"

namespace rouage::app {

class Gateway {
 public:
  /// Errors: FolderBusy, DatabaseFailed, StoreVersion, RulesInvalid.
  explicit Gateway(Config config);
  ~Gateway();
  /// Errors: AddressInUse.
  void start();
  void stop();
  int dimse_port() const;  ///< bound ports: the configured one, or any where 0 was configured; 0: not listening
  int http_port() const;
  int mllp_port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// "" when absent.
std::string value_of(const dicom::Attributes& attributes, std::uint32_t tag);
/// What routing needs of the cogs of this program.
std::vector<route::CogFacts> cog_facts();
/// By Patient's Age, else by birth and study date; absent when the header tells neither.
std::optional<double> age_in_years(const dicom::Attributes& header);
/// The attributes of a file. In the gateway a child reads them: the file is from outside.
using ReadAttributes = std::function<dicom::Attributes(const std::filesystem::path&)>;
/// What the rules may look at of a complete series: what the index has of one instance, its sender, its order. The file
/// itself is read only for tags that the index does not keep.
route::SeriesFacts series_facts(const store::Store& store, const std::vector<std::uint32_t>& tags,
                                const store::SeriesReady& series, const ReadAttributes& read);

}  // namespace rouage::app
