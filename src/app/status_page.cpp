#include <fmt/format.h>

#include "app/operations_routes.h"
#include "page/page.h"

namespace rouage::app {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;font:16px/1.45 system-ui,sans-serif}
body{margin:2rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8885}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.state{font-weight:600}.good::before{content:"\25CF ";color:#0a7d32}.bad::before{content:"\25B2 ";color:#b3261e}
ul{margin:.3rem 0;padding-left:1.2rem}footer{margin-top:2rem;font-size:.85rem;opacity:.75}
)";

/// Fills the page from /api/status every two seconds; every text goes in as text, never as markup.
constexpr const char* kScript = R"(
const T=JSON.parse(document.getElementById('texts').textContent);
const $=id=>document.getElementById(id);
const mb=b=>(b/1048576).toLocaleString(document.documentElement.lang,{maximumFractionDigits:0})+' MB';
function rows(id,head,lines){const t=$(id);t.replaceChildren();
 const h=t.createTHead().insertRow();head.forEach(([x,n])=>{const c=document.createElement('th');c.scope='col';c.textContent=x;if(n)c.className='n';h.append(c)});
 const b=t.createTBody();lines.forEach(l=>{const r=b.insertRow();l.forEach((x,i)=>{const c=r.insertCell();c.textContent=x??'';if(head[i][1])c.className='n'})});}
function list(id,lines){$(id).replaceChildren(...lines.map(x=>{const l=document.createElement('li');l.textContent=x;return l}));}
async function load(){let s;try{const r=await fetch('api/status');if(!r.ok)throw new Error(r.status);s=await r.json();}
 catch(e){$('state').className='state bad';$('state').textContent=T.unreachable;return;}
 $('state').className='state '+(s.ready?'good':'bad');$('state').textContent=s.ready?T.ready:T.not_ready;
 list('reasons',s.not_ready);list('warnings',s.warnings);$('warned').hidden=!s.warnings.length;
 $('program').textContent=s.program+' · '+s.ae_title+' · '+T.since+' '+new Date(s.started).toLocaleString(document.documentElement.lang);
 const o=s.store;
 rows('store',[[T.studies,1],[T.series,1],[T.instances,1],[T.results,1],[T.waiting,1],[T.partial,1],[T.conflicts,1],[T.kept,1],[T.free,1]],
  [[o.studies,o.series,o.instances,o.results,o.series_waiting,o.series_partial,o.conflicts,mb(o.bytes),mb(o.free_bytes)]]);
 rows('items',[[T.state,0],[T.count,1]],Object.entries(s.items).map(([k,v])=>[T['item_'+k]??k,v]));
 rows('queues',[[T.destination,0],[T.state,0],[T.due,1],[T.withheld,1],[T.delivered,1],[T.error,0]],
  s.destinations.map(q=>[q.destination,q.reachable?T.reachable:T.unreachable_peer,q.due,q.waiting_release,q.delivered,q.last_error]));
 $('now').textContent=new Date(s.now).toLocaleTimeString(document.documentElement.lang);}
load();setInterval(load,2000);
)";

const std::vector<std::string> kTexts{"ready",       "not_ready",
                                      "unreachable", "since",
                                      "studies",     "series",
                                      "instances",   "results",
                                      "waiting",     "partial",
                                      "conflicts",   "kept",
                                      "free",        "state",
                                      "count",       "destination",
                                      "due",         "withheld",
                                      "delivered",   "error",
                                      "reachable",   "unreachable_peer",
                                      "item_due",    "item_running",
                                      "item_done",   "item_failed",
                                      "item_parked", "item_cancelled",
                                      "item_expired"};

std::string script_texts(const std::string& language) {
  std::string json;
  for (const std::string& key : kTexts) {
    std::string text;
    for (const char c : page::text(language, "status." + key)) {
      if (c == '"' || c == '\\') text += '\\';
      text += c == '<' ? ' ' : c;
    }
    json += fmt::format("{}\"{}\":\"{}\"", json.empty() ? "" : ",", key, text);
  }
  return "{" + json + "}";
}

}  // namespace

std::string status_page(const std::string& language) {
  const auto t = [&](const char* key) { return page::text(language, std::string("status.") + key); };
  return fmt::format(
      R"(<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Rouage</title><style>{style}</style></head><body>
<h1>Rouage <span id="state" class="state" role="status"></span></h1><p id="program"></p><ul id="reasons"></ul>
<h2>{store}</h2><table id="store"></table>
<h2>{items}</h2><table id="items"></table>
<h2>{queues}</h2><table id="queues"></table>
<div id="warned" hidden><h2>{warnings}</h2><ul id="warnings"></ul></div>
<footer>{device} · <span id="now"></span> · <a href="metrics">metrics</a> · <a href="api/status">JSON</a></footer>
<script type="application/json" id="texts">{texts}</script><script>{script}</script></body></html>
)",
      fmt::arg("lang", language), fmt::arg("style", kStyle), fmt::arg("store", t("store")),
      fmt::arg("items", t("items")), fmt::arg("queues", t("queues")), fmt::arg("warnings", t("warnings")),
      fmt::arg("device", page::text(language, "not_device")), fmt::arg("texts", script_texts(language)),
      fmt::arg("script", kScript));
}

}  // namespace rouage::app
