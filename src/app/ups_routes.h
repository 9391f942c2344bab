/// The worklist by HTTP (UPS-RS): paths and headers only; route/ups.h does the work.
#pragma once
#include <memory>
#include <string>

#include "app/http.h"
#include "route/ups.h"

namespace rouage::app {

/// PREFIX/workitems..., JSON only. Subscriptions answer 501: events are not offered.
void add_ups_routes(Routes& routes, std::shared_ptr<route::Ups> ups, const std::string& prefix = "/dicomweb");

/// What route::Ups needs of the store. `store` and `permit` must live as long as the Ups.
route::UpsSources ups_sources(store::Store& store, const store::ReleasePermit& permit, store::Policy policy,
                              std::vector<route::CogFacts> cogs, const std::string& ae_title);

}  // namespace rouage::app
