//! Cuts JSON input into items: one per line, or one per element of an array that fills the file.
//!
//! An item longer than the bound is cut, said so, and skipped to its end; the next one is read as
//! if nothing had been.

use std::io::{self, BufRead};

/// Greatest item in bytes: far above any BGP message in JSON.
pub(crate) const MOST: usize = 1 << 20;

/// One item of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JsonItem {
    /// Its line, or its place in the array, from 1.
    pub(crate) number: u64,
    /// Its whole length; `bytes` holds no more than the bound.
    pub(crate) length: u64,
}

/// Reads item after item into one buffer.
pub(crate) struct JsonItems<R> {
    input: R,
    is_array: bool,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> JsonItems<R> {
    /// Items of `input`; of an array when its first byte is a bracket.
    pub(crate) fn new(mut input: R) -> io::Result<Self> {
        skip_blank(&mut input)?;
        let is_array = input.fill_buf()?.first() == Some(&b'[');
        if is_array {
            input.consume(1);
        }
        Ok(Self {
            input,
            is_array,
            number: 0,
            buffer: Vec::new(),
        })
    }

    /// The bytes of the last item, cut at the bound.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The next item that is not blank.
    pub(crate) fn next(&mut self) -> io::Result<Option<JsonItem>> {
        self.buffer.clear();
        if self.is_array {
            self.element()
        } else {
            self.line()
        }
    }

    fn line(&mut self) -> io::Result<Option<JsonItem>> {
        loop {
            let mut length = 0_u64;
            let mut ended = false;
            while !ended {
                let available = self.input.fill_buf()?;
                if available.is_empty() {
                    break;
                }
                let line = match available.iter().position(|byte| *byte == b'\n') {
                    Some(end) => {
                        ended = true;
                        available.get(..end).unwrap_or_default()
                    }
                    None => available,
                };
                keep(&mut self.buffer, line);
                length += line.len() as u64;
                let used = line.len() + usize::from(ended);
                self.input.consume(used);
            }
            if !ended && length == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.buffer.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(JsonItem {
                    number: self.number,
                    length,
                }));
            }
            self.buffer.clear();
        }
    }

    /// One element of the array: braces are counted outside of strings.
    fn element(&mut self) -> io::Result<Option<JsonItem>> {
        let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
        let mut length = 0_u64;
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                if length == 0 {
                    return Ok(None);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut used = 0;
            let mut end = None;
            for byte in available {
                let outside = depth == 0 && !in_string;
                if outside && length == 0 && (byte.is_ascii_whitespace() || *byte == b',') {
                    used += 1;
                    if self.buffer.is_empty() {
                        continue;
                    }
                }
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => in_string = !in_string,
                    b'{' | b'[' if !in_string => depth += 1,
                    b']' if outside => {
                        end = Some(length == 0);
                        break;
                    }
                    b',' if outside => {
                        end = Some(false);
                        break;
                    }
                    b'}' | b']' if !in_string => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            keep(&mut self.buffer, &[*byte]);
                            used += 1;
                            length += 1;
                            end = Some(false);
                            break;
                        }
                    }
                    _ => {}
                }
                keep(&mut self.buffer, &[*byte]);
                used += 1;
                length += 1;
            }
            self.input.consume(used);
            if let Some(array_ended) = end {
                if array_ended {
                    return Ok(None);
                }
                self.number += 1;
                return Ok(Some(JsonItem {
                    number: self.number,
                    length,
                }));
            }
        }
    }
}

fn keep(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let room = MOST.saturating_sub(buffer.len());
    buffer.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or(bytes));
}

fn skip_blank<R: BufRead>(input: &mut R) -> io::Result<()> {
    loop {
        let available = input.fill_buf()?;
        let blank = available
            .iter()
            .take_while(|b| b.is_ascii_whitespace())
            .count();
        let all = blank == available.len() && !available.is_empty();
        input.consume(blank);
        if !all {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn items(text: &[u8], buffer: usize) -> Vec<(u64, String, u64)> {
        let reader = BufReader::with_capacity(buffer, text);
        let mut items = JsonItems::new(reader).unwrap();
        let mut all = Vec::new();
        while let Some(item) = items.next().unwrap() {
            let text = String::from_utf8_lossy(items.bytes()).into_owned();
            all.push((item.number, text, item.length));
        }
        all
    }

    #[test]
    fn lines_are_items_and_blank_ones_are_counted_but_not_given() {
        let all = items(b"{\"a\":1}\n\n {\"b\":2}\r\nrest", 3);
        let texts: Vec<_> = all.iter().map(|(n, t, _)| (*n, t.trim())).collect();
        assert_eq!(texts, [(1, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "rest")]);
    }

    #[test]
    fn elements_of_an_array_are_items_whatever_their_lines() {
        let text = b" [\n {\"a\": \"]}\\\"\",\n \"b\": [1, {}]},\n{\"c\":3} , 7 ]\n";
        for buffer in [1, 2, 7, 1000] {
            let all = items(text, buffer);
            let texts: Vec<_> = all.iter().map(|(_, t, _)| t.trim()).collect();
            assert_eq!(
                texts,
                ["{\"a\": \"]}\\\"\",\n \"b\": [1, {}]}", "{\"c\":3}", "7"],
                "buffer {buffer}"
            );
        }
        assert!(items(b"[]", 8).is_empty());
    }

    #[test]
    fn a_line_of_ten_megabytes_is_cut_and_the_next_is_read() {
        let mut text = vec![b'x'; 10 << 20];
        text.extend(b"\n{\"a\":1}\n");
        let all = items(&text, 64 << 10);
        assert_eq!(all[0].1.len(), MOST);
        assert_eq!(all[0].2, 10 << 20);
        assert_eq!(all[1], (2, "{\"a\":1}".to_owned(), 7));
    }
}
