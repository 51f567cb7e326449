//! The configuration and its compiled patterns.

use config::{Configuration, FieldError, NonEmptyString, StatusCode};
use matcher::case::Case;
use matcher::literal::Literals;
use matcher::regexes::Regexes;
use sdk::configuration;

use crate::bots::{self, Bots};

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Regular expressions ([RE2 syntax](https://github.com/google/re2/wiki/Syntax)). A User-Agent that matches one of them passes, whatever else it
    /// matches.
    /// zh: 正则表达式（[RE2 语法](https://github.com/google/re2/wiki/Syntax)）：User-Agent 匹配其中之一的请求一律放行
    #[serde(default)]
    allow: Vec<NonEmptyString>,
    /// Regular expressions. A User-Agent that matches one of them is blocked.
    /// zh: 正则表达式：屏蔽 User-Agent 匹配其中之一的请求
    #[serde(default)]
    deny: Vec<NonEmptyString>,
    /// Categories of built-in names that are blocked, see [Categories](#categories). An empty list blocks none.
    /// zh: 屏蔽哪些类别的内置名称，见[类别](#类别)。空列表表示都不屏蔽
    #[serde(default = "defaults")]
    deny_categories: Vec<Category>,
    /// What happens to requests without a User-Agent, or with an empty one.
    /// zh: 没有 User-Agent 或其为空的请求如何处理
    #[serde(default)]
    missing_user_agent: Missing,
    /// Status code of the response.
    /// zh: 响应的状态码
    #[serde(default = "forbidden")]
    blocked_code: StatusCode,
    /// Body of the response, sent as `text/plain`.
    /// zh: 响应的正文，以 `text/plain` 发送
    #[serde(default)]
    blocked_message: String,
    /// Log and count decisions, but pass every request.
    /// zh: 判定、记录日志并计数，但放行所有请求
    #[serde(default)]
    dry_run: bool,
}

/// A category of built-in names.
#[configuration]
#[derive(Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Search engines, previews, archives and SEO tools.
    /// zh: 搜索引擎、链接预览、存档和 SEO 工具
    Seo,
    /// Scrapers, scanners and everything that calls itself a crawler.
    /// zh: 抓取程序、扫描器以及自称爬虫的程序
    Scraper,
    /// Crawlers and agents of language models.
    /// zh: 大模型的爬虫和代理
    Ai,
    /// Libraries and command-line programs.
    /// zh: 程序库和命令行工具
    Tool,
}

/// What happens to requests without a User-Agent.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// They pass.
    /// zh: 放行
    #[default]
    Allow,
    /// They are blocked.
    /// zh: 屏蔽
    Deny,
}

fn defaults() -> Vec<Category> {
    vec![Category::Seo, Category::Scraper]
}

fn forbidden() -> StatusCode {
    StatusCode::FORBIDDEN
}

impl Category {
    fn bots(self) -> &'static Bots {
        match self {
            Self::Seo => &bots::SEO,
            Self::Scraper => &bots::SCRAPER,
            Self::Ai => &bots::AI,
            Self::Tool => &bots::TOOL,
        }
    }
}

/// The configuration and its compiled patterns.
pub struct Config {
    allow: Regexes,
    deny: Regexes,
    names: Literals,
    expressions: Regexes,
    /// Whether requests without a User-Agent are blocked.
    pub denies_missing: bool,
    /// Status code of the response.
    pub blocked_code: StatusCode,
    /// Body of the response.
    pub blocked_message: String,
    /// Pass every request.
    pub dry_run: bool,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let denies_missing = fields.missing_user_agent == Missing::Deny;
        if fields.deny.is_empty() && fields.deny_categories.is_empty() && !denies_missing {
            let message = "blocks nothing: add an expression to `deny` or a category to `deny_categories`";
            return Err(FieldError::new("", message));
        }
        for (index, category) in fields.deny_categories.iter().enumerate() {
            if fields.deny_categories.iter().take(index).any(|before| before == category) {
                return Err(FieldError::in_list("deny_categories", index, "is a duplicate: remove one"));
            }
        }
        let bots = || fields.deny_categories.iter().map(|category| category.bots());
        let names: Vec<&str> = bots().flat_map(|bots| bots.names).copied().collect();
        let expressions: Vec<&str> = bots().flat_map(|bots| bots.expressions).copied().collect();
        let built_in = |error: String| FieldError::new("deny_categories", error);
        Ok(Self {
            allow: regexes("allow", &fields.allow)?,
            deny: regexes("deny", &fields.deny)?,
            names: Literals::new(&names, Case::Insensitive).map_err(|error| built_in(error.to_string()))?,
            expressions: Regexes::new(&expressions, Case::Sensitive)
                .map_err(|error| built_in(error.message))?,
            denies_missing,
            blocked_code: fields.blocked_code,
            blocked_message: fields.blocked_message,
            dry_run: fields.dry_run,
        })
    }
}

fn regexes(field: &str, patterns: &[NonEmptyString]) -> Result<Regexes, FieldError> {
    Regexes::new(patterns, Case::Sensitive)
        .map_err(|error| FieldError::in_list(field, error.index, error.message))
}

impl Config {
    /// Returns why requests of this User-Agent are blocked, or `None` if they pass.
    pub fn cause(&self, agent: &[u8]) -> Option<String> {
        if agent.trim_ascii().is_empty() {
            return self.denies_missing.then(|| "missing_user_agent".to_owned());
        }
        if self.allow.is_match(agent) {
            return None;
        }
        if let Some(index) = self.deny.find(agent) {
            return Some(format!("deny[{index}]"));
        }
        let is_built_in = self.names.is_match(agent) || self.expressions.is_match(agent);
        is_built_in.then(|| "deny_categories".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(categories: &[Category]) -> Config {
        Config::check(Fields {
            allow: Vec::new(),
            deny: Vec::new(),
            deny_categories: categories.to_vec(),
            missing_user_agent: Missing::Deny,
            blocked_code: forbidden(),
            blocked_message: String::new(),
            dry_run: false,
        })
        .unwrap()
    }

    /// One for each name in the list of Higress's plug-in.
    const OF_HIGRESS: &[&str] = &[
        "Mozilla/5.0 (compatible; AnyBot/1.0)",
        "SomeArchiver 2.1",
        "Indexer/3",
        "My Scraper/1",
        "a spider here",
        "Mozilla/5.0 crawling",
        "CRAWLER",
        "SPIDER",
        "scrape",
        "Nutch-1",
        "Ant-Nutch 1.0",
        "FooBot-2",
        "Axtaris 1",
        "fetchurl-1",
        "Isara 1",
        "ShopSalad 1",
        "Tailsweep-1",
        "008/0.83",
        "Altresium/4",
        "Argus/1",
        "BaiduMobaider/1",
        "BoardReader/1",
        "DNSGroup/1",
        "DataparkSearch/4",
        "EDI/1",
        "Goodzer/1",
        "Grub/1",
        "INGRID/1",
        "Infohelfer/1",
        "LinkedInBot/1",
        "LOOQ/1",
        "OgScrper/1",
        "PathDefender/1",
        "Peew/1",
        "PostPost/1",
        "Steeler/1",
        "Twitterbot/1",
        "VSE/1",
        "WebCrunch/1",
        "WebZIP/1",
        "Y!J-BRW/1",
        "YahooSeeker/1",
        "envolk/1",
        "sproose/1",
        "wminer/1",
        "CSimpleSpider",
        "Cityreview Robot",
        "CrawlDaddy",
        "CrawlFire",
        "Finderbots",
        "Index crawler",
        "Job Roboter",
        "KiwiStatus Spider",
        "SiteCat Webbot",
        "BotName/$BotVersion",
        "123metaspider-Bot",
        "50.nu",
        "Aboundex",
        "Accoona-AI-Agent",
        "AdsBot-Google-Mobile",
        "altavista",
        "AppEngine-Google",
        "archive.org_bot",
        "Ask Jeeves",
        "Baiduspider-image",
        "bingbot",
        "BingPreview",
        "blitzbot",
        "BlogBridge",
        "Bloglovin",
        "BoardReader Favicon Fetcher",
        "boitho.com-dc",
        "BotSeer",
        "BUbiNG",
        "my-favicon-thing",
        "Yeti/1.1",
        "Catchpoint",
        "charlotte",
        "Checklinks",
        "clumboot",
        "Comodo-Webinspector-Crawler",
        "ConveraCrawler",
        "CRAWL-E",
        "Daumoa",
        "Feed Seeker Bot",
        "Feedbin",
        "findlinks",
        "Flamingo_SearchEngine",
        "FollowSite Bot",
        "furlbot",
        "Genieo",
        "gigabot",
        "GomezAgent",
        "gonzo1",
        "Googlebot-Image",
        "Google SketchUp",
        "grub-client",
        "gsa-crawler",
        "heritrix",
        "HiddenMarket",
        "holmes",
        "HooWWWer",
        "htdig",
        "ia_archiver",
        "ICC-Crawler",
        "Icarus6j",
        "ichiro",
        "IconSurf",
        "IlTrovatore",
        "InfuzApp",
        "InternetArchive",
        "IP2mapBot",
        "jbot",
        "KaloogaBot",
        "Kraken",
        "Kurzor",
        "larbin",
        "LEIA",
        "LesnikBot",
        "Linguee Bot",
        "LinkAider",
        "Lite Bot",
        "Llaut",
        "lycos",
        "Mail.RU_Bot",
        "masscan",
        "masidani_bot",
        "Mediapartners-Google",
        "Microsoft Office Bot",
        "mogimogi",
        "mozDex",
        "MJ12bot",
        "msnbot-media",
        "msrbot",
        "Mtps Feed Aggregation System",
        "netresearch",
        "Netvibes",
        "NewsGatorOnline",
        "NING",
        "Nymesis",
        "ObjectsSearch",
        "Orbiter",
        "OOZBOT",
        "PagePeeker",
        "PagesInventory",
        "PaxleFramework",
        "Peeplo Screenshot Bot",
        "PlantyNet_WebRobot",
        "Pompos",
        "Qwantify",
        "Read%20Later",
        "Reaper",
        "RedCarpet",
        "Retreiver",
        "Riddler",
        "Rival IQ",
        "scooter",
        "Scrapy/2.11 (+https://scrapy.org)",
        "Scrubby",
        "searchsight",
        "seekbot",
        "semanticdiscovery",
        "SemrushBot",
        "Simpy",
        "SimplePie",
        "SEOstats",
        "SimpleRSS",
        "SiteCon",
        "Slackbot-LinkExpanding",
        "Slack-ImgProxy",
        "Slurp",
        "snappy",
        "Speedy Spider",
        "Squrl Java",
        "Stringer",
        "TheUsefulbot",
        "ThumbShotsBot",
        "Thumbshots.ru",
        "Tiny Tiny RSS",
        "WhatsApp",
        "URL2PNG",
        "Vagabondo",
        "VoilaBot",
        "vortex",
        "Votay bot",
        "voyager",
        "WASALive-Bot",
        "Web-sniffer",
        "WebThumb",
        "WeSEE:Search",
        "WhatWeb",
        "WIRE",
        "WordPress",
        "Wotbox",
        "www.almaden.ibm.com",
        "Xenu Link Sleuth",
        "Xenu's Link Sleuth",
        "Xerka MetaBot",
        "yacybot",
        "Yahoo! Slurp",
        "YandexBot",
        "YodaoBot-Image",
        "YottaaMonitor",
        "Yowedo",
        "Zao",
        "ZeBot_www.ze.bz",
        "ZooShot",
        "ZyBorg",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ];

    /// People, and apps of people.
    const OF_PEOPLE: &[&str] = &[
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
        "Mozilla/5.0 (Linux; Android 13; M2101K6G) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.42",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 YaBrowser/24.10.0.0 Safari/537.36",
        "Dalvik/2.1.0 (Linux; U; Android 12; Robotics Build/1)",
        "Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18",
    ];

    #[test]
    fn the_default_has_everything_that_higress_lists() {
        let config = config(&defaults());
        let passed: Vec<_> =
            OF_HIGRESS.iter().filter(|agent| config.cause(agent.as_bytes()).is_none()).collect();
        assert!(passed.is_empty(), "{passed:?}");
    }

    #[test]
    fn people_pass_in_every_category() {
        let all = config(&[Category::Seo, Category::Scraper, Category::Ai, Category::Tool]);
        for agent in OF_PEOPLE {
            assert_eq!(all.cause(agent.as_bytes()), None, "{agent}");
        }
    }

    #[test]
    fn each_name_is_blocked_by_its_own_category() {
        for category in [Category::Seo, Category::Scraper, Category::Ai, Category::Tool] {
            let config = config(&[category]);
            for name in category.bots().names {
                assert!(config.cause(name.as_bytes()).is_some(), "{name}");
            }
        }
    }
}
