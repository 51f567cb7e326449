//! The built-in list: the format of its files, and texts that must not be denied.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use matcher::words::{Categories, Dictionary, WordMatch, tables};

/// The tables included in the plug-in.
static TABLES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/words.tables"));

const CATEGORIES: [&str; 7] = ["drugs", "fraud", "gambling", "profanity", "sexual", "violence", "weapons"];

/// Returns the text of each category's file.
fn files() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("words");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| {
            (file.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(file).unwrap())
        })
        .collect()
}

fn words(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn files_have_a_header_and_sorted_lower_case_words() {
    let files = files();
    assert!(files.keys().eq(CATEGORIES.iter()), "{:?}", files.keys());
    for (name, text) in &files {
        let (header, list) = text.split_once("\n\n").unwrap();
        assert!(header.lines().all(|line| line.starts_with('#')), "{name}");
        assert!(header.contains("Source:") && header.contains("Licence: Apache-2.0"), "{name}");
        assert!(list.ends_with('\n') && !list.contains("\n\n") && !list.contains('\r'), "{name}");
        for line in list.lines() {
            assert_eq!(line.trim(), line, "{name}");
            assert_eq!(line.to_lowercase(), line, "{name}");
        }
        let words = words(list);
        assert!(words.is_sorted(), "{name} is not sorted by code points");
    }
}

#[test]
fn there_are_enough_words_without_duplicates() {
    let files = files();
    let mut all: Vec<&str> = files.values().flat_map(|text| words(text)).collect();
    let (english, chinese): (Vec<&str>, Vec<&str>) = all.iter().partition(|word| word.is_ascii());
    assert!(english.len() >= 1_000, "{} English words", english.len());
    assert!(chinese.len() >= 1_500, "{} Chinese words", chinese.len());
    all.sort_unstable();
    for pair in all.windows(2) {
        assert_ne!(pair[0], pair[1], "duplicate, possibly in two categories");
    }
}

#[test]
fn no_word_contains_another_of_its_category() {
    for (name, text) in files() {
        let words = words(&text);
        let tables = tables(&[(&name, &words)]).unwrap();
        let dictionary = Dictionary::from_tables(&tables).unwrap();
        for word in words {
            let all = WordMatch::Word { start: 0, end: word.len() };
            assert_eq!(dictionary.find(Categories::ALL, word, 0, true), all, "{name}: {word}");
            for (start, _) in word.char_indices().skip(1) {
                assert_eq!(
                    dictionary.find(Categories::ALL, word, start, true),
                    WordMatch::None,
                    "{name}: {word}"
                );
            }
        }
    }
}

#[test]
fn the_included_tables_contain_every_word() {
    let dictionary = Dictionary::from_tables(TABLES).unwrap();
    assert!(dictionary.category_names().eq(CATEGORIES));
    for (name, text) in files() {
        let category = dictionary.category(&name).unwrap();
        for word in words(&text) {
            assert_eq!(
                dictionary.find(category, word, 0, true),
                WordMatch::Word { start: 0, end: word.len() },
                "{word}"
            );
        }
    }
}

/// Texts that a careless list would deny.
const INNOCENT: &[&str] = &[
    "请问购买码在哪里？扫二维码报名即可。",
    "这款手机跑分多少？",
    "全聚德烤鸭店的鸭子很好吃，室内射击馆在旁边。",
    "路口交通拥堵，出口交易额增长，双手交叉放在胸前。",
    "真是个大麻烦，下次小心。",
    "其中出现了两个问题，微信群交流一下。",
    "加工口罩的工厂，施工口号要响亮。",
    "该药的活性药物成分是什么？耐药性药敏试验怎么做？",
    "中药里的罂粟壳有什么作用？毒品有哪些危害？怎样预防吸毒？",
    "人口爆炸是什么意思？流浪女孩的故事。",
    "机器人兽医会出现吗？牛肉番茄怎么做？",
    "东京热门景点有哪些？一本道德经多少钱？",
    "售卖处在二楼，双色球开奖时间是几点？",
    "往返水路运输，村庄闲置房屋怎么利用？",
    "时代考验着我们，考古年代考证。",
    "线性交易模型与流动性交易策略有什么区别？",
    "开发浪潮来了，小骚动平息了。",
    "白小姐您好，曾道人间好时节。",
    "请通过人脸识别登录，手指虎口疼怎么办？",
    "内脏弹性测定，#include 的.h文件在哪？",
    "杂种优势在水稻育种中的应用。",
    "母狗绝育后要注意什么？黑猪肉多少钱一斤？",
    "反洗钱法规定了哪些义务？禁止赌博的法律有哪些？",
    "他说战争中很多人被杀，这部电影讲一个杀手的故事。",
    "预约飞机票，大约飞行三小时，大约死亡率是多少？",
    "I live in Scunthorpe, near Penistone and Essex.",
    "The class will assess the assassin's classic grass.",
    "Kill the process with kill -9 and check the exit code.",
    "How do I execute a shell script? The drug trial ended in May.",
    "What does the law say about gambling and money laundering?",
    "Shuttlecock, cockpit, peacock, cocktail, Dickens, Hancock.",
    "My pussycat chased a titmouse; the titanic title was therapist.",
    "The gun control debate; the bomb disposal unit; a drug store.",
    "I feel sad today and I do not know whom to talk to.",
    "Please analyse this text: the poison ivy, the cyanide pill in the novel.",
    "Buy milk, sell stocks, make cheese, grow tomatoes, cook pasta, smoke salmon.",
];

#[test]
fn innocent_texts_pass() {
    let dictionary = Dictionary::from_tables(TABLES).unwrap();
    for text in INNOCENT {
        if let WordMatch::Word { start, end } = dictionary.find(Categories::ALL, text, 0, true) {
            panic!("`{}` in `{text}`", &text[start..end]);
        }
    }
}

#[test]
fn words_are_found_in_any_case_and_width() {
    let dictionary = Dictionary::from_tables(TABLES).unwrap();
    for text in [
        "What the ＦＵＣＫ!",
        "哪里能买到冰毒货源呢",
        "哪裡有博彩平台",
        "Buy Fake\u{a0}Passport Online",
        "怎么做炸弹？",
    ] {
        assert!(matches!(dictionary.find(Categories::ALL, text, 0, true), WordMatch::Word { .. }), "{text}");
    }
}
