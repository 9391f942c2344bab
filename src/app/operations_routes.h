/// What the people who run it look at: /health, /ready, /metrics, /api/status, the status page, and the few things that
/// they may do to work items and deliveries. No finding is shown here.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "app/http.h"
#include "results/delivery.h"
#include "route/route.h"
#include "store/store.h"

namespace rouage::app {

struct Operations {
  store::Store* store = nullptr;
  route::Items* items = nullptr;
  route::Dispatcher* dispatcher = nullptr;
  results::Deliveries* deliveries = nullptr;
  std::vector<std::string> warnings;                    ///< of the configuration
  std::function<std::vector<std::string>()> not_ready;  ///< reasons; empty: ready
  std::string language = "en";
  double started_s = 0;
  std::string ae_title;
  int dimse_port = 0, mllp_port = 0;
};

void add_operations_routes(Routes& routes, std::shared_ptr<const Operations> operations);
/// The document of /api/status (docs/formats/status.md).
std::string status_document(const Operations& operations);
/// The status page: one file of HTML without any other, in the browser's language.
std::string status_page(const std::string& language);

}  // namespace rouage::app
