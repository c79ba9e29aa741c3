//! Converts values between `spin:mysql` and the `MySQL` client. The types are Spin's, and so are the gaps: a DECIMAL, a
//! date or a MEDIUMTEXT is of type `other`, and only its NULLs can be converted. So what works here works in Spin.

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::FromValue;
use mysql_async::{Column, Params, Value, from_value_opt};

use crate::bindings::spin::mysql::mysql::{self as wit, DbDataType as Type, DbValue, ParameterValue};

/// Returns the parameters of a prepared statement.
pub(crate) fn parameters(values: Vec<ParameterValue>) -> Params {
    let values = values.into_iter().map(|value| match value {
        ParameterValue::Boolean(value) => value.into(),
        ParameterValue::Int8(value) => value.into(),
        ParameterValue::Int16(value) => value.into(),
        ParameterValue::Int32(value) => value.into(),
        ParameterValue::Int64(value) => value.into(),
        ParameterValue::Uint8(value) => value.into(),
        ParameterValue::Uint16(value) => value.into(),
        ParameterValue::Uint32(value) => value.into(),
        ParameterValue::Uint64(value) => value.into(),
        ParameterValue::Floating32(value) => value.into(),
        ParameterValue::Floating64(value) => value.into(),
        ParameterValue::Str(value) => value.into(),
        ParameterValue::Binary(value) => value.into(),
        ParameterValue::DbNull => Value::NULL,
    });
    Params::Positional(values.collect())
}

/// Returns the type that a component sees for a column.
pub(crate) fn data_type(column: &Column) -> Type {
    use ColumnType as C;
    let signed = !column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    let binary = column.flags().contains(ColumnFlags::BINARY_FLAG);
    match column.column_type() {
        C::MYSQL_TYPE_TINY if signed => Type::Int8,
        C::MYSQL_TYPE_TINY => Type::Uint8,
        C::MYSQL_TYPE_SHORT if signed => Type::Int16,
        C::MYSQL_TYPE_SHORT => Type::Uint16,
        C::MYSQL_TYPE_INT24 | C::MYSQL_TYPE_LONG if signed => Type::Int32,
        C::MYSQL_TYPE_INT24 | C::MYSQL_TYPE_LONG => Type::Uint32,
        C::MYSQL_TYPE_LONGLONG if signed => Type::Int64,
        C::MYSQL_TYPE_LONGLONG => Type::Uint64,
        C::MYSQL_TYPE_FLOAT => Type::Floating32,
        C::MYSQL_TYPE_DOUBLE => Type::Floating64,
        C::MYSQL_TYPE_BLOB | C::MYSQL_TYPE_STRING | C::MYSQL_TYPE_VAR_STRING if !binary => Type::Str,
        C::MYSQL_TYPE_BLOB | C::MYSQL_TYPE_STRING | C::MYSQL_TYPE_VAR_STRING => Type::Binary,
        _ => Type::Other,
    }
}

/// Converts one value of a row, by the type of its column.
pub(crate) fn value(value: Value, column: &wit::Column) -> Result<DbValue, wit::Error> {
    if value == Value::NULL {
        return Ok(DbValue::DbNull);
    }
    match column.data_type {
        Type::Boolean => convert(value).map(DbValue::Boolean),
        Type::Int8 => convert(value).map(DbValue::Int8),
        Type::Int16 => convert(value).map(DbValue::Int16),
        Type::Int32 => convert(value).map(DbValue::Int32),
        Type::Int64 => convert(value).map(DbValue::Int64),
        Type::Uint8 => convert(value).map(DbValue::Uint8),
        Type::Uint16 => convert(value).map(DbValue::Uint16),
        Type::Uint32 => convert(value).map(DbValue::Uint32),
        Type::Uint64 => convert(value).map(DbValue::Uint64),
        Type::Floating32 => convert(value).map(DbValue::Floating32),
        Type::Floating64 => convert(value).map(DbValue::Floating64),
        Type::Str => convert(value).map(DbValue::Str),
        Type::Binary => convert(value).map(DbValue::Binary),
        Type::Other => {
            Err(wit::Error::ValueConversionFailed(format!("column {} has a type Spin does not convert", column.name)))
        }
    }
}

fn convert<T: FromValue>(value: Value) -> Result<T, wit::Error> {
    from_value_opt(value).map_err(|error| wit::Error::ValueConversionFailed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_spins_types() {
        for (column_type, flags, expected) in [
            (ColumnType::MYSQL_TYPE_LONGLONG, ColumnFlags::empty(), Type::Int64),
            (ColumnType::MYSQL_TYPE_LONGLONG, ColumnFlags::UNSIGNED_FLAG, Type::Uint64),
            (ColumnType::MYSQL_TYPE_TINY, ColumnFlags::empty(), Type::Int8),
            (ColumnType::MYSQL_TYPE_VAR_STRING, ColumnFlags::empty(), Type::Str),
            (ColumnType::MYSQL_TYPE_VAR_STRING, ColumnFlags::BINARY_FLAG, Type::Binary),
            (ColumnType::MYSQL_TYPE_BLOB, ColumnFlags::BINARY_FLAG, Type::Binary),
            (ColumnType::MYSQL_TYPE_MEDIUM_BLOB, ColumnFlags::empty(), Type::Other),
            (ColumnType::MYSQL_TYPE_NEWDECIMAL, ColumnFlags::empty(), Type::Other),
            (ColumnType::MYSQL_TYPE_DATETIME, ColumnFlags::BINARY_FLAG, Type::Other),
        ] {
            let column = Column::new(column_type).with_flags(flags);
            assert_eq!(data_type(&column), expected, "{column_type:?} {flags:?}");
        }
    }

    #[test]
    fn only_nulls_of_other_types_convert() {
        let column = wit::Column { name: "total".into(), data_type: Type::Other };
        assert!(matches!(value(Value::NULL, &column), Ok(DbValue::DbNull)));
        assert!(matches!(value(Value::Int(1), &column), Err(wit::Error::ValueConversionFailed(_))));
    }
}
