//! A house as its services describe it: 99 devices in nine rooms, and what they did. Values follow from names and
//! times alone, so the same question has the same answer.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

const ROOMS: [&str; 9] =
    ["kitchen", "living_room", "hall", "bathroom", "bedroom", "office", "garage", "garden", "basement"];

/// Domain and suffix of the entity, device class, unit, maker and model.
const KINDS: [(&str, &str, &str, &str, &str, &str); 11] = [
    ("sensor", "power", "power", "W", "Shelly", "Plus PM Mini"),
    ("sensor", "energy", "energy", "kWh", "Shelly", "Plus PM Mini"),
    ("sensor", "temperature", "temperature", "°C", "Aqara", "WSDCGQ11LM"),
    ("sensor", "humidity", "humidity", "%", "Aqara", "WSDCGQ11LM"),
    ("light", "ceiling", "light", "", "Signify", "Hue White Ambiance"),
    ("light", "lamp", "light", "", "IKEA", "TRADFRI LED bulb"),
    ("switch", "outlet", "outlet", "", "TP-Link", "Tapo P110"),
    ("binary_sensor", "motion", "motion", "", "Philips", "SML001"),
    ("binary_sensor", "window", "window", "", "Aqara", "MCCGQ11LM"),
    ("climate", "thermostat", "climate", "", "tado", "RU02"),
    ("cover", "blind", "blind", "", "Somfy", "Sonesse 30"),
];

/// Between two recorded values.
const STEP: SignedDuration = SignedDuration::from_mins(5);

/// Nothing older is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 31);

const EVENTS_MAX: usize = 1000;

struct Device {
    entity_id: String,
    room: &'static str,
    kind: &'static (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str),
}

fn house() -> impl Iterator<Item = Device> {
    ROOMS.iter().flat_map(|room| {
        KINDS.iter().map(move |kind| Device {
            entity_id: format!("{}.{room}_{}", kind.0, kind.1),
            room,
            kind,
        })
    })
}

/// A number that looks random, of these two.
fn hash(name: &str, index: i64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes().chain(index.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 29
}

/// The same from 0 to 1.
fn noise(name: &str, index: i64) -> f64 {
    f64::from(u32::try_from(hash(name, index) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// Hours from the beginning of 2026.
fn hours(at: Timestamp) -> f64 {
    f64::from(i32::try_from(at.as_second() - 1_767_225_600).unwrap_or_default()) / 3600.0
}

impl Device {
    /// What it measures at a time: power with peaks at breakfast and in the evening, temperatures with the day.
    fn value(&self, at: Timestamp) -> f64 {
        let index = at.as_second() / STEP.as_secs();
        let hour = hours(at).rem_euclid(24.0);
        let noise = noise(&self.entity_id, index);
        let sun = ((hour - 9.0) / 24.0 * std::f64::consts::TAU).sin();
        let value = match self.kind.2 {
            "power" => {
                let busy = (6.5..8.5).contains(&hour) || (17.0..22.0).contains(&hour);
                let cooks = busy
                    && noise > 0.85
                    && ["kitchen", "bathroom", "garage", "basement"].contains(&self.room);
                40.0 + 60.0 * noise
                    + if busy { 180.0 } else { 0.0 }
                    + if cooks { 1800.0 * noise } else { 0.0 }
            }
            "energy" => 1200.0 + hours(at) * 0.12,
            "temperature" => 20.0 + 1.8 * sun + 0.4 * noise - if self.room == "garden" { 9.0 } else { 0.0 },
            "humidity" => 48.0 - 6.0 * sun + 3.0 * noise,
            "light" | "outlet" => f64::from(u8::from((18.0..23.0).contains(&hour) && noise > 0.3)),
            "motion" | "window" => f64::from(u8::from((7.0..23.0).contains(&hour) && noise > 0.9)),
            _ => 21.0,
        };
        (value * 10.0).round() / 10.0
    }

    fn state(&self, at: Timestamp) -> Value {
        let value = self.value(at);
        match self.kind.0 {
            "sensor" => json!(value.to_string()),
            "climate" => json!("heat"),
            "cover" => json!("open"),
            _ => json!(if value > 0.0 { "on" } else { "off" }),
        }
    }

    fn name(&self) -> String {
        title(&format!("{} {}", self.room, self.kind.1))
    }
}

fn title(text: &str) -> String {
    let words = text.split(['_', ' ']).map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect::<Vec<_>>().join(" ")
}

/// `data.get_devices`.
pub(crate) fn devices(now: Timestamp) -> Value {
    let devices: Vec<Value> = house()
        .map(|device| {
            let (domain, suffix, class, unit, maker, model) = *device.kind;
            let seen = now - SignedDuration::from_secs_f64(noise(&device.entity_id, 0) * 280.0);
            json!({
                "device_id": format!("{:016x}", hash(&device.entity_id, 1)),
                "entity_id": device.entity_id,
                "name": device.name(),
                "area_id": device.room,
                "area_name": title(device.room),
                "domain": domain,
                "device_class": class,
                "unit_of_measurement": (!unit.is_empty()).then_some(unit),
                "manufacturer": maker,
                "model": model,
                "integration": if maker == "Shelly" { "shelly" } else { "zha" },
                "sw_version": format!("1.{}.{}", suffix.len(), device.room.len()),
                "state": device.state(now),
                "last_seen": format!("{seen:.0}"),
                "status": "available",
            })
        })
        .collect();
    json!({"count": devices.len(), "devices": devices})
}

/// A time as the tools take it: `now`, `-7d`, `-3h`, `-30m`, or ISO 8601.
pub(crate) fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    let Some(back) = text.strip_prefix('-') else { return text.parse().ok() };
    let unit = back.chars().last()?;
    let number: i64 = back[..back.len() - unit.len_utf8()].parse().ok()?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        _ => return None,
    };
    now.checked_sub(SignedDuration::from_secs(number.checked_mul(seconds)?)).ok()
}

/// `data.query_device_history`: one value each five minutes; `None` for an entity that there is not.
pub(crate) fn history(entity_id: &str, start: Timestamp, end: Timestamp, fields: &[String]) -> Option<Value> {
    let device = house().find(|device| device.entity_id == entity_id)?;
    let start = start.max(end - KEPT);
    let first = start.as_second().div_euclid(STEP.as_secs()) + 1;
    let last = end.as_second().div_euclid(STEP.as_secs());
    let point = |index: i64| {
        let at = Timestamp::from_second(index * STEP.as_secs()).unwrap_or(end);
        let mut point = Map::from_iter([("time".to_owned(), json!(at.to_string()))]);
        let all =
            [("value", json!(device.value(at))), ("state", device.state(at)), ("quality", json!("good"))];
        let wanted = |name: &str| fields.is_empty() || fields.iter().any(|field| field == name);
        point.extend(
            all.into_iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (name.to_owned(), value)),
        );
        Value::Object(point)
    };
    let data: Vec<Value> = (first..=last).map(point).collect();
    Some(json!({
        "entity_id": entity_id,
        "start_time": start.to_string(),
        "end_time": end.to_string(),
        "unit": device.kind.3,
        "data_points": data.len(),
        "data": data,
    }))
}

/// What `data.search_events` filters by.
pub(crate) struct EventQuery<'a> {
    pub(crate) entity_id: Option<&'a str>,
    pub(crate) event_type: Option<&'a str>,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) limit: usize,
}

/// `data.search_events`: changes of lights, outlets, windows and motion, newest first.
pub(crate) fn events(query: &EventQuery<'_>) -> Value {
    let devices: Vec<Device> = house()
        .filter(|device| ["light", "switch", "binary_sensor"].contains(&device.kind.0))
        .filter(|device| query.entity_id.is_none_or(|entity_id| entity_id == device.entity_id))
        .collect();
    let limit = query.limit.min(EVENTS_MAX);
    let steps = |at: Timestamp| at.as_second().div_euclid(STEP.as_secs());
    let mut events = Vec::new();
    for index in (steps(query.start.max(query.end - KEPT)) + 1..=steps(query.end)).rev() {
        let at = Timestamp::from_second(index * STEP.as_secs()).unwrap_or(query.end);
        for device in &devices {
            let (old, new) = (device.state(at - STEP), device.state(at));
            let event_type = if device.kind.2 == "motion" { "motion_detected" } else { "state_changed" };
            if old == new || query.event_type.is_some_and(|wanted| wanted != event_type) {
                continue;
            }
            events.push(json!({
                "event_id": format!("{index:x}-{}", device.entity_id),
                "event_type": event_type,
                "entity_id": device.entity_id,
                "timestamp": at.to_string(),
                "old_state": old,
                "new_state": new,
                "area_id": device.room,
                "context": {"user_id": null, "origin": "LOCAL"},
            }));
            if events.len() >= limit {
                return json!({"count": events.len(), "events": events});
            }
        }
    }
    json!({"count": events.len(), "events": events})
}

/// `automation.detect_patterns`.
pub(crate) fn patterns(wanted: &[String]) -> Value {
    let found = [
        ("time-based", "light.living_room_lamp", "turns on around 18:00 on most days", 0.91, 26),
        ("time-based", "switch.garage_outlet", "turns off around 23:00 on most days", 0.87, 24),
        ("time-based", "climate.bedroom_thermostat", "is lowered around 22:30 on weekdays", 0.83, 19),
        ("co-occurrence", "light.hall_ceiling", "turns on within a minute of motion in the hall", 0.95, 212),
        ("co-occurrence", "cover.office_blind", "closes when the office lamp turns on", 0.78, 31),
        (
            "sequence",
            "binary_sensor.bathroom_window",
            "opens, then the bathroom thermostat is lowered",
            0.81,
            44,
        ),
    ];
    let patterns: Vec<Value> = found
        .iter()
        .filter(|pattern| wanted.is_empty() || wanted.iter().any(|wanted| wanted == pattern.0))
        .enumerate()
        .map(|(id, (kind, entity_id, description, confidence, occurrences))| {
            json!({
                "id": id + 1,
                "pattern_type": kind,
                "entity_id": entity_id,
                "description": description,
                "confidence": confidence,
                "occurrences": occurrences,
                "suggestion": format!("Automate: {entity_id} {description}"),
            })
        })
        .collect();
    json!({"count": patterns.len(), "patterns": patterns})
}

/// `device.get_device_capabilities`; `None` for an entity that there is not.
pub(crate) fn capabilities(entity_id: &str) -> Option<Value> {
    let device = house().find(|device| device.entity_id == entity_id)?;
    let (domain, _, class, unit, maker, model) = *device.kind;
    let abilities: &[&str] = match domain {
        "light" => &["on_off", "brightness", "color_temperature", "transition"],
        "switch" => &["on_off", "power_metering", "child_lock"],
        "climate" => &["target_temperature", "window_detection", "schedule"],
        "cover" => &["open_close", "position"],
        _ => &["reporting", "battery"],
    };
    let capabilities: Vec<Value> = abilities
        .iter()
        .map(|name| json!({"name": name, "supported": true, "exposed": *name != "child_lock"}))
        .collect();
    Some(json!({
        "entity_id": entity_id,
        "manufacturer": maker,
        "model": model,
        "device_class": class,
        "unit_of_measurement": (!unit.is_empty()).then_some(unit),
        "capabilities": capabilities,
    }))
}
