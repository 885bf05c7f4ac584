//! Takes messages apart and puts them together with right lengths and sums, so that changes get behind the checksum of LDT 3.
//! Written without the crate's own writer, which it is used to test.

/// Field id and content.
pub(crate) type Field = (String, Vec<u8>);

/// Takes a well-formed message apart.
pub(crate) fn fields(message: &[u8]) -> Vec<Field> {
    message
        .split(|byte| *byte == b'\n')
        .filter(|line| line.len() > 7)
        .map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (String::from_utf8_lossy(&line[3..7]).into_owned(), line[7..].to_vec())
        })
        .collect()
}

fn line(id: &str, content: &[u8]) -> Vec<u8> {
    let mut line = format!("{:03}{id}", content.len() + 9).into_bytes();
    line.extend_from_slice(content);
    line.extend_from_slice(b"\r\n");
    line
}

/// Puts fields together; 8100, 9202 and 9300 are computed anew.
pub(crate) fn render(fields: &[Field]) -> Vec<u8> {
    let mut message = Vec::new();
    let nested = fields.iter().any(|(id, _)| id == "8002");
    let length = |(_, content): &Field| content.len() + 9;
    let mut package = 0;
    for (index, (id, content)) in fields.iter().enumerate() {
        match id.as_str() {
            "8100" if !nested => {
                let record = fields[index..].iter().take_while(|(id, _)| id != "8000").map(length).sum::<usize>() + 13;
                package += record;
                message.extend(line(id, format!("{record:05}").as_bytes()));
            }
            "9202" if !nested => message.extend(line(id, format!("{package:08}").as_bytes())),
            "9300" if nested => {
                use sha1::Digest;
                let sum = hex::encode(sha1::Sha1::digest(&message));
                message.extend(line(id, sum.as_bytes()));
            }
            _ => message.extend(line(id, content)),
        }
    }
    message
}
